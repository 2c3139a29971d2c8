import type { RolloutNow } from '../../contract/page';
import type { RolloutCommand, RolloutDecision } from '../../contract/rollout';
import { advanceRollout } from '../../domain/rollout/advance-rollout';
import { percentAt } from '../../domain/rollout/transitions';
import { phaseShown, type RolloutView } from '../view';

type CommandOutlook = Pick<RolloutNow, 'unavailable' | 'effects'>;

/** What each command would do now: the domain's rule decides it on the evidence of now, and nothing is recorded. */
export function commandOutlook(view: RolloutView): CommandOutlook {
  const { spec, state } = view;
  const [here, there] = [spec.baselineArm, spec.canaryArm];
  const stopped = stoppedReason(view);
  const trial = (command: Partial<RolloutCommand> & Pick<RolloutCommand, 'name'>) => decide(view, command);
  const exclude = trial({ name: 'exclude', fromMs: view.atMs - spec.intervalMs, toMs: view.atMs });
  const promote = trial({ name: 'promote' });
  const forced = trial({ name: 'promote', force: true });
  const decisions = { promote: forced, pause: trial({ name: 'pause' }), resume: trial({ name: 'resume' }), exclude };
  const unavailable = Object.entries(decisions).flatMap(([name, decision]) => {
    const reason = stopped ?? refusalOf(decision);
    return reason === null ? [] : [[name, reason] as const];
  });
  return {
    unavailable: {
      ...Object.fromEntries(unavailable),
      ...(isUnderWay(view) ? {} : { rollback: stopped ?? 'There is nothing to roll back.' }),
    },
    effects: {
      promote: promoteEffect(view, promote),
      pause: `Keeps ${state.percent}% of users on ${there} until somebody resumes it; it can still roll back by itself.`,
      resume: resumeEffect(view),
      rollback: `Sends all users to ${here} with their next turn and ends this rollout for good.`,
      exclude:
        'Users of both arms who came in that time, or were counted until then, count for nothing; the split stays as it is.',
    },
  };
}

function decide(view: RolloutView, command: Partial<RolloutCommand> & Pick<RolloutCommand, 'name'>): RolloutDecision {
  const { spec, state, atMs, evidence } = view;
  return advanceRollout(spec, state, { atMs, evidence, command: { actor: 'you', reason: 'a reason', ...command } });
}

function refusalOf({ action, reason }: RolloutDecision): string | null {
  return action === 'refuse' ? reason : null;
}

function isUnderWay(view: RolloutView): boolean {
  return view.analysisDueAtMs !== null;
}

/** Why no command but a rollback can be carried out, whatever the rule says. */
function stoppedReason(view: RolloutView): string | null {
  const { spec, split, state, workflow } = view;
  if (state.endedAtMs !== null) return `The rollout has ended: ${state.message}`;
  if (phaseShown(view) === 'TakenOver') return `Rollout ${split?.rollout} has taken over and routes turns now.`;
  if (workflow === 'unreachable') return 'Temporal does not answer; without it, only a rollback works.';
  if (workflow === 'running') return null;
  return `No workflow runs it: \`bellwether rollout adopt ${spec.name}\` continues it; a rollback works without.`;
}

function promoteEffect({ spec, state }: RolloutView, decision: RolloutDecision): string {
  if (state.phase === 'Promoting') return `None: ${spec.canaryArm} has all traffic already.`;
  const move = `${spec.canaryArm} from ${state.percent}% to ${percentAt(spec, state.step + 1)}% of users`;
  const refusal = refusalOf(decision);
  if (refusal === null) return `Moves ${move} now, before the plan does.`;
  return `Would be refused now: ${refusal} Forced, it moves ${move}.`;
}

function resumeEffect({ spec, state }: RolloutView): string {
  if (state.phase === 'Held') {
    return `Overrides the finding and goes on at ${state.percent}%: the tests of this bake start over, those of the whole rollout continue.`;
  }
  if (state.phase === 'Promoting') {
    return `Overrides a finding at ${state.percent}%: ${spec.canaryArm} is watched anew before the rollout can finish.`;
  }
  return `Goes on at ${state.percent}%; the time that it was stopped is given back to the plan.`;
}
