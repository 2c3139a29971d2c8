import type { AnyEvidence, RolloutDecision, RolloutSpec, RolloutState } from '../../contract/rollout';
import { clockMissing, formatDuration, isEvidenceOverdue, stepDueAtMs } from './clock';
import { ofUsers } from './evidence';
import { unreadAfter } from './state-by-users';
import { advanceTo, enter, hold, percentAt, rollBack, unchanged } from './transitions';
import { type UserFindings, userFindingsOf } from './user-findings';

// Rule 2: the evidence is of users.

/** After so many analyses in a row without evidence, something is wrong that does not pass by itself. */
const unreadUntilHeld = 3;

/** What speaks against a promotion. */
export function objectionsByUsers(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: AnyEvidence | null,
): readonly string[] {
  const { unread, breach, worse, oneKey, alarms, missing, stale } = userFindingsOf(spec, state, ofUsers(evidence));
  return [unread, breach, worse, oneKey, ...alarms, ...missing, stale].filter((finding) => finding !== null);
}

/** Decides from the evidence and the time alone. */
export function analyseByUsers(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: AnyEvidence | null,
  atMs: number,
): RolloutDecision {
  if (state.endedAtMs !== null) return unchanged('wait', state, state.message);
  const findings = userFindingsOf(spec, state, ofUsers(evidence));
  const { unread, breach, worse, oneKey } = findings;
  // Failures do not expire: a canary that answers nothing has no recent data either.
  if (breach !== null && worse !== null && oneKey === null) return rollBack(state, atMs, `${breach} ${worse}`);
  if (state.phase === 'Promoting') return finishOrWait(spec, state, evidence, findings, atMs);
  if (state.phase === 'Held') {
    return unchanged('wait', state, state.message, ['An operator must promote, resume or roll back.']);
  }
  if (unread !== null) return waitForReading(state, unread, unreadAfter(state, evidence));
  const trouble = troubleOf(findings);
  if (breach !== null && worse === null)
    trouble.push(`It is not shown that ${spec.baselineArm} does better, so rolling back may not help.`);
  if (trouble.length > 0) return hold(state, trouble.join(' '));
  if (state.phase === 'Paused') return unchanged('wait', state, state.message, ['An operator must resume.']);
  return advanceOrWait(spec, state, findings, atMs);
}

function troubleOf({ breach, worse, oneKey, alarms }: UserFindings): string[] {
  return [breach, worse, oneKey, ...alarms].filter((finding) => finding !== null);
}

function waitForReading(state: RolloutState, unread: string, unreadAnalyses: number): RolloutDecision {
  if (state.phase === 'Progressing' && unreadAnalyses >= unreadUntilHeld) {
    return hold(state, `${unread} This has happened ${unreadAnalyses} times in a row.`);
  }
  return unchanged('wait', state, unread, [unread]);
}

function advanceOrWait(spec: RolloutSpec, state: RolloutState, findings: UserFindings, atMs: number): RolloutDecision {
  const { stale } = findings;
  if (findings.missing.length > 0 && isEvidenceOverdue(spec, state, atMs)) {
    const reason = `The time of the plan is over and the evidence is not there: ${findings.missing.join(' ')}`;
    return hold(state, reason);
  }
  // Everything may be proven in a quiet night: then the next request is all there is to wait for.
  const missing = [...findings.missing, ...(stale === null ? [] : [stale]), ...clockMissing(spec, state, atMs)];
  if (missing.length > 0) return unchanged('wait', state, missing.join(' '), missing);

  const percent = percentAt(spec, state.step + 1);
  const reason = `${spec.canaryArm} has the evidence and has baked long enough: from ${state.percent}% to ${percent}%. ${findings.figures}`;
  return advanceTo(spec, state, state.step + 1, atMs, reason);
}

/** While the baseline is warm, and for as long as a finding stands, the rollout can be rolled back. */
function finishOrWait(
  spec: RolloutSpec,
  state: RolloutState,
  evidence: AnyEvidence | null,
  findings: UserFindings,
  atMs: number,
): RolloutDecision {
  const warmLeftMs = stepDueAtMs(spec, state) - atMs;
  const trouble = troubleOf(findings);
  const unread = findings.unread ?? watchedAnewFinding(spec, state, evidence);
  if (warmLeftMs <= 0 && trouble.length === 0 && unread === null) return finish(spec, state, atMs);
  const warm =
    warmLeftMs > 0
      ? `At ${state.percent}%; ${spec.baselineArm} stays warm for a rollback for ${formatDuration(warmLeftMs)} more.`
      : `At ${state.percent}%; the warm time is over, but the rollout cannot finish while this stands.`;
  const missing = [
    ...(unread === null ? [] : [unread]),
    ...(trouble.length === 0 ? [] : ['An operator must roll back, or resume with a reason.']),
  ];
  return unchanged('wait', state, [...trouble, ...(unread === null ? [] : [unread]), warm].join(' '), missing);
}

/** An operator who overrides a finding, or excludes what led to it, wants the rollout watched anew, and that takes users. */
function watchedAnewFinding(
  { canaryArm, gates }: RolloutSpec,
  { bakeStartedAtMs, stepStartedAtMs, byUsers }: RolloutState,
  evidence: AnyEvidence | null,
): string | null {
  const isExcluded = byUsers?.excluded.some(({ toMs }) => toMs > stepStartedAtMs) ?? false;
  if (bakeStartedAtMs <= stepStartedAtMs && !isExcluded) return null;
  const users = ofUsers(evidence)?.canary.users ?? 0;
  const { minimumStepRequests: needed } = gates;
  if (users >= needed) return null;
  return `${users} of ${needed} users of ${canaryArm} since it was resumed or a period was excluded.`;
}

function finish(spec: RolloutSpec, state: RolloutState, atMs: number): RolloutDecision {
  const reason = `All traffic is on ${spec.canaryArm}; ${spec.baselineArm} need not be kept any longer.`;
  const { next, ...decision } = enter('finish', state, 'Succeeded', reason);
  const ended = { ...next, endedAtMs: atMs };
  if (state.percent === 100) return { ...decision, next: ended };
  // Those who were held back follow.
  const reached = [...state.reached, { percent: 100, startedAtMs: atMs, because: reason }];
  return { ...decision, next: { ...ended, percent: 100, bake: state.bake + 1, bakeStartedAtMs: atMs, reached } };
}
