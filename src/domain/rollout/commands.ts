import type {
  RolloutCommand,
  RolloutDecision,
  RolloutOccasion,
  RolloutSpec,
  RolloutState,
} from '../../contract/rollout';
import { formatDuration, frozenUntilMs } from './clock';
import { objectionsByRequests } from './rule-by-requests';
import { objectionsByUsers } from './rule-by-users';
import { exclude } from './state-by-users';
import { advanceTo, enter, percentAt, rollBack, unchanged } from './transitions';

/** A command and the situation in which it arrives. */
interface CommandCase extends RolloutOccasion {
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly command: RolloutCommand;
}

/** Decides an operator's command. A rollback is never refused while there is something to roll back. */
export function applyCommand(given: CommandCase): RolloutDecision {
  const { state, command, atMs } = given;
  if (state.endedAtMs !== null) return refuse(state, `The rollout has ended (${state.phase}): ${state.message}`);
  if (command.name === 'rollback') return rollBack(state, atMs, `${command.actor} rolled back${saying(command)}.`);
  if (command.problem !== undefined) return refuse(state, command.problem);
  // A pause does not check this: an operator who wants the rollout stopped wants it stopped at any percentage.
  if (command.name !== 'pause' && command.seenPercent !== undefined && command.seenPercent !== state.percent) {
    const meant = `${command.name} was meant at ${command.seenPercent}%`;
    return refuse(state, `${meant}, the rollout is at ${state.percent}% by now.`);
  }
  if (command.name === 'exclude') return excludeTime(given);
  if (state.phase === 'Promoting') return applyAtFullTraffic(given);
  if (command.name === 'resume') return resume(given);
  if (command.name === 'promote') return promote(given);
  if (state.phase !== 'Progressing') return refuse(state, `It is ${state.phase} already: ${state.message}`);
  return enter('pause', state, 'Paused', `${command.actor} paused it${saying(command)}.`);
}

function refuse(state: RolloutState, why: string): RolloutDecision {
  return unchanged('refuse', state, why);
}

function excludeTime({ spec, state, command, atMs }: CommandCase): RolloutDecision {
  if (spec.rule !== 2)
    return refuse(
      state,
      'This rollout counts requests, so it cannot exclude a period; only rollouts that count users can.',
    );
  const excluded = exclude(spec, state, command, atMs);
  if (typeof excluded === 'string') return refuse(state, excluded);
  const { fromMs, toMs, next } = excluded;
  const window = `${formatDuration(toMs - fromMs)} that ended ${formatDuration(toMs - state.startedAtMs)} after the start`;
  const reason = `${command.actor} excluded from the evidence the ${window}${saying(command)}.`;
  return { action: 'exclude', reason, missing: [], next };
}

/** At 100% nothing is left to advance. Under rule 2 a finding keeps the rollout from finishing, until an operator resumes it. */
function applyAtFullTraffic({ spec, state, command, atMs }: CommandCase): RolloutDecision {
  if (spec.rule !== 2) return refuse(state, 'The canary has all traffic already; only a rollback is left.');
  if (command.name !== 'resume') {
    return refuse(
      state,
      'The canary has all traffic already: roll back, or resume it with a reason if a finding stands.',
    );
  }
  if (!hasReason(command)) return refuse(state, 'Resuming at 100% overrides a finding: give a reason.');
  const resumed = enter('resume', state, 'Promoting', `${command.actor} resumed it${saying(command)}.`);
  return { ...resumed, next: { ...resumed.next, bake: state.bake + 1, bakeStartedAtMs: atMs } };
}

function resume({ state, command, atMs }: CommandCase): RolloutDecision {
  if (state.phase === 'Progressing') return refuse(state, 'It is neither paused nor held.');
  const resumed = enter('resume', state, 'Progressing', `${command.actor} resumed it${saying(command)}.`);
  if (state.phase === 'Paused') return resumed;
  if (!hasReason(command)) return refuse(state, 'To resume a held rollout overrides a finding: give a reason.');
  // An operator has looked at the finding that held it, so the tests of the bake start over. Those of the whole rollout
  // continue.
  return { ...resumed, next: { ...resumed.next, bake: state.bake + 1, bakeStartedAtMs: atMs } };
}

function promote(given: CommandCase): RolloutDecision {
  const { spec, state, command, atMs } = given;
  const step = command.full ? spec.steps.length : state.step + 1;
  const percent = percentAt(spec, step);
  const problem = command.force ? forceProblem(given) : promotionProblem(given);
  if (problem !== null) return refuse(state, problem);
  const reason = command.force
    ? forced(command, state.percent, percent)
    : `${command.actor} promoted it from ${state.percent}% to ${percent}%${saying(command)}.`;
  return advanceTo(spec, state, step, atMs, reason);
}

function forceProblem({ state, command }: CommandCase): string | null {
  if (!hasReason(command)) return 'To force is to override the evidence: give a reason.';
  if (!isSentAgain(state, command)) return null;
  return `That was done already: ${state.message} To force the next step too, say "seenPercent": ${state.percent}.`;
}

function promotionProblem({ spec, state, evidence, atMs }: CommandCase): string | null {
  if (state.phase !== 'Progressing') {
    return `It is ${state.phase}: ${state.message} Resume it first, or force the promotion with a reason.`;
  }
  const frozenUntil = frozenUntilMs(spec, atMs);
  if (frozenUntil !== null) {
    return `A freeze window ends in ${formatDuration(frozenUntil - atMs)}. Wait, or force with a reason.`;
  }
  const objections = spec.rule === 2 ? objectionsByUsers : objectionsByRequests;
  const against = objections(spec, state, evidence, atMs);
  return against.length === 0 ? null : `The evidence is not there: ${against.join(' ')} Wait, or force with a reason.`;
}

function forced(command: RolloutCommand, fromPercent: number, toPercent: number): string {
  return `${command.actor} forced it from ${fromPercent}% to ${toPercent}%${saying(command)}.`;
}

/** The command that led to this step has arrived a second time, as signals may, and nothing was analysed in between. */
function isSentAgain({ reached, percent, message }: RolloutState, command: RolloutCommand): boolean {
  const before = reached.at(-2);
  if (command.full || command.seenPercent !== undefined || before === undefined) return false;
  return message === forced(command, before.percent, percent);
}

function hasReason({ reason }: RolloutCommand): boolean {
  return reason !== undefined && reason.trim() !== '';
}

function saying(command: RolloutCommand): string {
  return hasReason(command) ? ` ("${command.reason}")` : '';
}
