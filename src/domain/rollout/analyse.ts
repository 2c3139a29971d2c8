import type { Evidence, RolloutDecision, RolloutSpec, RolloutState } from '../../contract/rollout';
import { evidenceDueAtMs, formatDuration, frozenUntilMs, stepDueAtMs } from './clock';
import { type Findings, findingsOf } from './findings';
import { advanceTo, enter, rollBack, stay } from './moves';

/** What follows from the evidence and the time alone. */
export function analyse(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: Evidence | null,
  atMs: number,
): RolloutDecision {
  if (state.endedAtMs !== null) return stay('wait', state, state.message);
  const findings = findingsOf(spec, state, evidence, atMs);
  if (state.phase === 'Promoting') return finishOrWait(spec, state, findings, atMs);

  const { blind, breach, worse, alarms } = findings;
  if (blind !== null) return waitForSight(spec, state, blind, atMs);
  if (breach !== null && worse !== null) return rollBack(state, atMs, `${breach} ${worse}`);
  if (state.phase === 'Held')
    return stay('wait', state, state.message, ['An operator must promote, resume or roll back.']);
  if (breach !== null) {
    return hold(state, `${breach} That ${spec.baselineArm} does better is not shown, so rolling back may not help.`);
  }
  if (alarms.length > 0) return hold(state, alarms.join(' '));
  if (state.phase === 'Paused') return stay('wait', state, state.message, ['An operator must resume.']);
  return advanceOrWait(spec, state, findings, atMs);
}

/** No data is never success; and no failure either, so what was decided stays. */
function waitForSight(spec: RolloutSpec, state: RolloutState, blind: string, atMs: number): RolloutDecision {
  if (state.phase === 'Progressing' && isEvidenceOverdue(spec, state, atMs)) return hold(state, overdue(blind));
  return stay('wait', state, blind, [blind]);
}

function advanceOrWait(spec: RolloutSpec, state: RolloutState, findings: Findings, atMs: number): RolloutDecision {
  if (findings.missing.length > 0 && isEvidenceOverdue(spec, state, atMs)) {
    return hold(state, overdue(findings.missing.join(' ')));
  }
  const missing = [...findings.missing, ...clockMissing(spec, state, atMs)];
  if (missing.length > 0) return stay('wait', state, missing.join(' '), missing);

  const percent = spec.steps[state.step + 1]?.percent ?? 100;
  const reason = `${spec.canaryArm} has the evidence and the bake: from ${state.percent}% to ${percent}%. ${findings.figures}`;
  return advanceTo(spec, state, state.step + 1, atMs, reason);
}

/** Once for each bake: an operator who resumed the rollout after that has given it more time. */
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

/** At 100 % there is nothing left to compare with: what is wrong is told, and a person decides. */
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
  return stay('wait', state, [...trouble, warm].join(' '));
}
