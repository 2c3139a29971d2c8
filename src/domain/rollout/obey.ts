import type { Evidence, RolloutCommand, RolloutDecision, RolloutSpec, RolloutState } from '../../contract/rollout';
import { formatDuration, frozenUntilMs } from './clock';
import { findingsOf } from './findings';
import { advanceTo, enter, rollBack, stay } from './moves';

/** What an operator's command comes to. A rollback is never refused while there is something to roll back. */
export function obey(
  spec: RolloutSpec,
  state: RolloutState,
  command: RolloutCommand,
  evidence: Evidence | null,
  atMs: number,
): RolloutDecision {
  const refuse = (why: string): RolloutDecision => stay('refuse', state, why);
  if (state.endedAtMs !== null) return refuse(`The rollout has ended (${state.phase}): ${state.message}`);
  if (command.name === 'rollback') return rollBack(state, atMs, `${command.actor} rolled back${saying(command)}.`);
  if (command.problem !== undefined) return refuse(command.problem);
  // Not so a pause: whoever wants the rollout stopped wants it stopped wherever it is by now.
  if (command.name !== 'pause' && command.seenPercent !== undefined && command.seenPercent !== state.percent) {
    return refuse(`${command.name} was meant at ${command.seenPercent}%, the rollout is at ${state.percent}% by now.`);
  }
  if (state.phase === 'Promoting') return refuse('The canary has all traffic already; only a rollback is left.');
  if (command.name === 'resume') return resume(state, command, atMs, refuse);
  if (command.name === 'promote') return promote(spec, state, command, evidence, atMs, refuse);
  if (state.phase !== 'Progressing') return refuse(`It is ${state.phase} already: ${state.message}`);
  return enter('pause', state, 'Paused', `${command.actor} paused it${saying(command)}.`);
}

type Refuse = (why: string) => RolloutDecision;

function resume(state: RolloutState, command: RolloutCommand, atMs: number, refuse: Refuse): RolloutDecision {
  if (state.phase === 'Progressing') return refuse('It is neither paused nor held.');
  const resumed = enter('resume', state, 'Progressing', `${command.actor} resumed it${saying(command)}.`);
  if (state.phase === 'Paused') return resumed;
  if (!hasReason(command)) return refuse('To resume a held rollout overrides a finding: give a reason.');
  // The finding that held it has been looked at: the tests of a bake begin anew, those of the whole rollout go on.
  return { ...resumed, next: { ...resumed.next, bake: state.bake + 1, bakeStartedAtMs: atMs } };
}

function promote(
  spec: RolloutSpec,
  state: RolloutState,
  command: RolloutCommand,
  evidence: Evidence | null,
  atMs: number,
  refuse: Refuse,
): RolloutDecision {
  const step = command.full ? spec.steps.length : state.step + 1;
  const percent = spec.steps[step]?.percent ?? 100;
  const advance = (reason: string): RolloutDecision => advanceTo(spec, state, step, atMs, reason);
  if (command.force) {
    if (!hasReason(command)) return refuse('To force is to override the evidence: give a reason.');
    if (isSentAgain(state, command)) {
      return refuse(
        `That was done already: ${state.message} To force the next step too, say "seenPercent": ${state.percent}.`,
      );
    }
    return advance(forced(command, state.percent, percent));
  }
  if (state.phase !== 'Progressing') {
    return refuse(`It is ${state.phase}: ${state.message} Resume it first, or force the promotion with a reason.`);
  }
  const frozenUntil = frozenUntilMs(spec, atMs);
  if (frozenUntil !== null) {
    return refuse(`A freeze window ends in ${formatDuration(frozenUntil - atMs)}. Wait, or force with a reason.`);
  }
  const { blind, breach, alarms, missing } = findingsOf(spec, state, evidence, atMs);
  const against = [blind, breach, ...alarms, ...missing].filter((finding) => finding !== null);
  if (against.length > 0)
    return refuse(`The evidence is not there: ${against.join(' ')} Wait, or force with a reason.`);
  return advance(`${command.actor} promoted it from ${state.percent}% to ${percent}%${saying(command)}.`);
}

function forced(command: RolloutCommand, fromPercent: number, toPercent: number): string {
  return `${command.actor} forced it from ${fromPercent}% to ${toPercent}%${saying(command)}.`;
}

/** The command that led to this step has come twice, as signals may, and nothing was looked at in between. */
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
