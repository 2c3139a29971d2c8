import type { RolloutSpec, RolloutState } from '../../contract/rollout';

/** When the plan ends if every step ends on time. Milliseconds since 1970, like all times here. */
export function plannedEndAtMs(spec: RolloutSpec, state: RolloutState): number {
  return state.startedAtMs + (spec.steps.at(-1)?.nominalEndMs ?? 0);
}

/** The earliest time at which the step may end: not before the planned time, and not before its minimum bake. At 100 %: the end of the warm period. */
export function stepDueAtMs(spec: RolloutSpec, state: RolloutState): number {
  const step = spec.steps[state.step];
  if (!step) return state.stepStartedAtMs + spec.warmMs;
  return Math.max(state.startedAtMs + step.nominalEndMs, state.stepStartedAtMs + step.minimumBakeMs);
}

/**
 * The time by which a step must have its evidence: the end of the plan, or later if the step started so late that its
 * minimum bake is not over by then. Rule 2 gives back the time during which the rollout was paused or held.
 */
export function evidenceDueAtMs(spec: RolloutSpec, state: RolloutState): number {
  return Math.max(plannedEndAtMs(spec, state), stepDueAtMs(spec, state)) + (state.byUsers?.stoppedMs ?? 0);
}

/** True once per bake: an operator who resumes the rollout after that has given it more time. */
export function isEvidenceOverdue(spec: RolloutSpec, state: RolloutState, atMs: number): boolean {
  const dueAtMs = evidenceDueAtMs(spec, state);
  return atMs >= dueAtMs && state.bakeStartedAtMs < dueAtMs;
}

/** The end of the freeze window in effect at the given time, or null. */
export function frozenUntilMs(spec: RolloutSpec, atMs: number): number | null {
  const ends = spec.freezeWindows.filter(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs).map(({ toMs }) => toMs);
  return ends.length > 0 ? Math.max(...ends) : null;
}

/** What the clock still asks for before the next step. */
export function clockMissing(spec: RolloutSpec, state: RolloutState, atMs: number): string[] {
  const missing: string[] = [];
  const dueInMs = stepDueAtMs(spec, state) - atMs;
  if (dueInMs > 0) missing.push(`The step lasts ${formatDuration(dueInMs)} more.`);
  const frozenUntil = frozenUntilMs(spec, atMs);
  if (frozenUntil !== null) missing.push(`A freeze window ends in ${formatDuration(frozenUntil - atMs)}.`);
  return missing;
}

/**
 * The time of the next analysis: the next full interval since the start, or the end of the step or plan if that is sooner.
 * Derived from absolute times, so that after an outage there is one analysis and the schedule continues.
 */
export function nextAnalysisAtMs(spec: RolloutSpec, state: RolloutState, nowMs: number): number {
  const intervals = Math.floor((nowMs - state.startedAtMs) / spec.intervalMs) + 1;
  const nextIntervalAtMs = state.startedAtMs + intervals * spec.intervalMs;
  const ends = [stepDueAtMs(spec, state), evidenceDueAtMs(spec, state)].filter((endAtMs) => endAtMs > nowMs);
  return Math.min(nextIntervalAtMs, ...ends);
}

/** `18 h`, `5 h 20 min`, `45 s`, `300 ms`: two units at most. */
export function formatDuration(ms: number): string {
  if (ms > 0 && ms < 1000) return `${Math.ceil(ms)} ms`;
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
