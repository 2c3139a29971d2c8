import type { AnyEvidence, RolloutDecision, RolloutSpec, RolloutState } from '../../contract/rollout';
import { clockMissing, formatDuration, isEvidenceOverdue, stepDueAtMs } from './clock';
import { ofRequests } from './evidence';
import { type Findings, findingsOf } from './findings';
import { advanceTo, enter, hold, rollBack, unchanged } from './transitions';

// Rule 1: the evidence is of requests. Rollouts that began under it end under it, so its sentences stay as they are.

/** What speaks against a promotion. */
export function objectionsByRequests(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: AnyEvidence | null,
  atMs: number,
): readonly string[] {
  const { blind, breach, alarms, missing } = findingsOf(spec, state, ofRequests(evidence), atMs);
  return [blind, breach, ...alarms, ...missing].filter((finding) => finding !== null);
}

/** Decides from the evidence and the time alone. */
export function analyseByRequests(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: AnyEvidence | null,
  atMs: number,
): RolloutDecision {
  if (state.endedAtMs !== null) return unchanged('wait', state, state.message);
  const findings = findingsOf(spec, state, ofRequests(evidence), atMs);
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

function overdue(missing: string): string {
  return `The time of the plan is over and the evidence is not there: ${missing}`;
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
