import type {
  Evidence,
  RolloutCommand,
  RolloutDecision,
  RolloutOccasion,
  RolloutSpec,
  RolloutState,
} from '../../contract/rollout';
import { evidenceDueAtMs, formatDuration, frozenUntilMs, stepDueAtMs } from './clock';
import { type Findings, findingsOf } from './findings';
import { advanceTo, begin, enter, rollBack, unchanged } from './transitions';

/**
 * Decides what a rollout does next. Pure, so that the workflow, the simulation and the verification all apply exactly the
 * same rule. `state` is null before the rollout has begun.
 */
export function advanceRollout(
  spec: RolloutSpec,
  state: RolloutState | null,
  { atMs, evidence, command }: RolloutOccasion,
): RolloutDecision {
  if (state === null) return begin(spec, atMs);
  if (command !== null) return applyCommand({ spec, state, command, evidence, atMs });
  return analyse(spec, state, evidence, atMs);
}

/** A command and the situation in which it arrives. */
interface CommandCase extends RolloutOccasion {
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly command: RolloutCommand;
}

/** Decides an operator's command. A rollback is never refused while there is something to roll back. */
function applyCommand(given: CommandCase): RolloutDecision {
  const { state, command, atMs } = given;
  if (state.endedAtMs !== null) return refuse(state, `The rollout has ended (${state.phase}): ${state.message}`);
  if (command.name === 'rollback') return rollBack(state, atMs, `${command.actor} rolled back${saying(command)}.`);
  if (command.problem !== undefined) return refuse(state, command.problem);
  // A pause does not check this: an operator who wants the rollout stopped wants it stopped at any percentage.
  if (command.name !== 'pause' && command.seenPercent !== undefined && command.seenPercent !== state.percent) {
    const meant = `${command.name} was meant at ${command.seenPercent}%`;
    return refuse(state, `${meant}, the rollout is at ${state.percent}% by now.`);
  }
  if (state.phase === 'Promoting') return refuse(state, 'The canary has all traffic already; only a rollback is left.');
  if (command.name === 'resume') return resume(given);
  if (command.name === 'promote') return promote(given);
  if (state.phase !== 'Progressing') return refuse(state, `It is ${state.phase} already: ${state.message}`);
  return enter('pause', state, 'Paused', `${command.actor} paused it${saying(command)}.`);
}

function refuse(state: RolloutState, why: string): RolloutDecision {
  return unchanged('refuse', state, why);
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
  const percent = spec.steps[step]?.percent ?? 100;
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
  const { blind, breach, alarms, missing } = findingsOf(spec, state, evidence, atMs);
  const against = [blind, breach, ...alarms, ...missing].filter((finding) => finding !== null);
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

/** Decides from the evidence and the time alone. */
function analyse(spec: RolloutSpec, state: RolloutState, evidence: Evidence | null, atMs: number): RolloutDecision {
  if (state.endedAtMs !== null) return unchanged('wait', state, state.message);
  const findings = findingsOf(spec, state, evidence, atMs);
  if (state.phase === 'Promoting') return finishOrWait(spec, state, findings, atMs);

  const { blind, breach, worse, alarms } = findings;
  if (blind !== null) return waitForSight(spec, state, blind, atMs);
  if (breach !== null && worse !== null) return rollBack(state, atMs, `${breach} ${worse}`);
  if (state.phase === 'Held')
    return unchanged('wait', state, state.message, ['An operator must promote, resume or roll back.']);
  if (breach !== null) {
    return hold(state, `${breach} That ${spec.baselineArm} does better is not shown, so rolling back may not help.`);
  }
  if (alarms.length > 0) return hold(state, alarms.join(' '));
  if (state.phase === 'Paused') return unchanged('wait', state, state.message, ['An operator must resume.']);
  return advanceOrWait(spec, state, findings, atMs);
}

/** Missing data is neither success nor failure, so the rollout waits, and is held once the evidence is overdue. */
function waitForSight(spec: RolloutSpec, state: RolloutState, blind: string, atMs: number): RolloutDecision {
  if (state.phase === 'Progressing' && isEvidenceOverdue(spec, state, atMs)) return hold(state, overdue(blind));
  return unchanged('wait', state, blind, [blind]);
}

function advanceOrWait(spec: RolloutSpec, state: RolloutState, findings: Findings, atMs: number): RolloutDecision {
  if (findings.missing.length > 0 && isEvidenceOverdue(spec, state, atMs)) {
    return hold(state, overdue(findings.missing.join(' ')));
  }
  const missing = [...findings.missing, ...clockMissing(spec, state, atMs)];
  if (missing.length > 0) return unchanged('wait', state, missing.join(' '), missing);

  const percent = spec.steps[state.step + 1]?.percent ?? 100;
  const reason = `${spec.canaryArm} has the evidence and the bake: from ${state.percent}% to ${percent}%. ${findings.figures}`;
  return advanceTo(spec, state, state.step + 1, atMs, reason);
}

/** True once per bake: an operator who resumes the rollout after that has given it more time. */
function isEvidenceOverdue(spec: RolloutSpec, state: RolloutState, atMs: number): boolean {
  const dueAtMs = evidenceDueAtMs(spec, state);
  return atMs >= dueAtMs && state.bakeStartedAtMs < dueAtMs;
}

function overdue(missing: string): string {
  return `The time of the plan is over and the evidence is not there: ${missing}`;
}

function clockMissing(spec: RolloutSpec, state: RolloutState, atMs: number): string[] {
  const missing: string[] = [];
  const dueInMs = stepDueAtMs(spec, state) - atMs;
  if (dueInMs > 0) missing.push(`The step lasts ${formatDuration(dueInMs)} more.`);
  const frozenUntil = frozenUntilMs(spec, atMs);
  if (frozenUntil !== null) missing.push(`A freeze window ends in ${formatDuration(frozenUntil - atMs)}.`);
  return missing;
}

function hold(state: RolloutState, reason: string): RolloutDecision {
  return enter('hold', state, 'Held', reason, ['An operator must promote with a reason, resume or roll back.']);
}

/** At 100% there is no baseline traffic left to compare with: problems are reported, and an operator decides. */
function finishOrWait(spec: RolloutSpec, state: RolloutState, findings: Findings, atMs: number): RolloutDecision {
  const warmLeftMs = stepDueAtMs(spec, state) - atMs;
  if (warmLeftMs <= 0) {
    const { next, ...decision } = enter(
      'finish',
      state,
      'Succeeded',
      `All traffic is on ${spec.canaryArm}; ${spec.baselineArm} need not be kept any longer.`,
    );
    return { ...decision, next: { ...next, endedAtMs: atMs } };
  }
  const trouble = [findings.breach, ...findings.alarms].filter((finding) => finding !== null);
  const warm = `At 100%; ${spec.baselineArm} stays warm for a rollback for ${formatDuration(warmLeftMs)} more.`;
  return unchanged('wait', state, [...trouble, warm].join(' '));
}
