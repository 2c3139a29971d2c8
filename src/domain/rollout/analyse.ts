import type { Evidence, RolloutDecision, RolloutSpec, RolloutState } from '../../contract/rollout';
import { formatDuration, frozenUntilMs, plannedEndAtMs, stepDueAtMs } from './clock';
import { type Findings, findingsOf } from './findings';
import { advanceTo, enter, rollBack, stay } from './moves';

/** What follows from the evidence and the time alone. */
export function analyse(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: Evidence | null,
  atMs: number,
): RolloutDecision {
  const findings = findingsOf(spec, state, evidence, atMs);
  if (state.phase === 'Promoting') return finishOrWait(spec, state, findings, atMs);
  if (findings.blind !== null) return stay('wait', state, findings.blind, [findings.blind]);

  const { breach, worse, alarms } = findings;
  if (breach !== null && worse !== null) return rollBack(state, atMs, `${breach} ${worse}`);
  if (state.phase === 'Held')
    return stay('wait', state, state.message, ['An operator must promote, resume or roll back.']);
  if (breach !== null) {
    return hold(state, `${breach} ${spec.baselineArm} does no better, so rolling back would not help.`);
  }
  if (alarms.length > 0) return hold(state, alarms.join(' '));
  if (state.phase === 'Paused') return stay('wait', state, state.message, ['An operator must resume.']);
  return advanceOrWait(spec, state, findings, atMs);
}

function advanceOrWait(spec: RolloutSpec, state: RolloutState, findings: Findings, atMs: number): RolloutDecision {
  const planEnded = atMs >= plannedEndAtMs(spec, state) && state.bakeStartedAtMs < plannedEndAtMs(spec, state);
  if (findings.missing.length > 0 && planEnded) {
    return hold(state, `The time of the plan is over and the evidence is not there: ${findings.missing.join(' ')}`);
  }
  const missing = [...findings.missing, ...clockMissing(spec, state, atMs)];
  if (missing.length > 0) return stay('wait', state, missing.join(' '), missing);

  const percent = spec.steps[state.step + 1]?.percent ?? 100;
  const reason = `${spec.canaryArm} has the evidence, the bake and ${spec.gates.minimumStepRequests} requests: from ${state.percent}% to ${percent}%.`;
  return advanceTo(spec, state, state.step + 1, atMs, reason);
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
