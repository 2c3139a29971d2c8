import type { Ladder, RolloutNow } from '../../contract/page';
import type { RolloutSpec, RolloutState } from '../../contract/rollout';
import { evidenceDueAtMs, stepDueAtMs } from '../../domain/rollout/clock';
import { percentAt } from '../../domain/rollout/transitions';
import { actualShare, phaseShown, type RolloutView } from '../view';
import { isOverdue, warningsOf } from '../warnings';
import { commandOutlook } from './command-outlook';
import { nextSentence } from './next-sentence';

export function nowOf(view: RolloutView): RolloutNow {
  const { spec, state, split, evidence, atMs } = view;
  return {
    phase: phaseShown(view),
    message: state.message,
    next: nextSentence(view),
    nextAnalysisAtMs: view.analysisDueAtMs,
    isOverdue: isOverdue(view),
    warnings: warningsOf(view),
    workflow: view.workflow,
    setPercent: split?.rollout === spec.name ? split.percent : state.percent,
    actualShare: actualShare(view),
    trafficSinceMs: view.trafficSinceMs,
    dataAgeMs: ageMs(evidence?.newestCanaryAtMs ?? null, atMs),
    ...commandOutlook(view),
  };
}

function ageMs(newestAtMs: number | null, atMs: number): number | null {
  return newestAtMs === null ? null : Math.max(0, atMs - newestAtMs);
}

export function ladderOf(view: RolloutView): Ladder {
  const { spec, state, analysisDueAtMs } = view;
  const isRunning = analysisDueAtMs !== null;
  return {
    startedAtMs: state.startedAtMs,
    endedAtMs: state.endedAtMs,
    planned: plannedSteps(view),
    reached: state.reached.map(({ percent, startedAtMs, because }) => ({ percent, atMs: startedAtMs, because })),
    freezes: spec.freezeWindows.map(({ fromMs, toMs }) => ({ fromMs, toMs })),
    excluded: (state.byUsers?.excluded ?? []).map(({ fromMs, toMs }) => ({ fromMs, toMs })),
    stepDueAtMs: isRunning ? stepDueAtMs(spec, state) : null,
    evidenceDueAtMs: isRunning && state.phase !== 'Promoting' ? evidenceDueAtMs(spec, state) : null,
  };
}

/**
 * The steps that are behind at the plan's own times; those that are ahead at the earliest at which the rule can take them,
 * with every step that follows at its minimum bake.
 */
function plannedSteps({ spec, state, analysisDueAtMs }: RolloutView): Ladder['planned'] {
  const planned: { percent: number; atMs: number }[] = [];
  for (let step = 0; step <= spec.steps.length; step += 1) {
    const percent = step === spec.steps.length ? 100 : percentAt(spec, step);
    const before = planned.at(-1)?.atMs ?? state.startedAtMs;
    planned.push({ percent, atMs: plannedAtMs(spec, state, step, before, analysisDueAtMs) });
  }
  return planned;
}

function plannedAtMs(
  spec: RolloutSpec,
  state: RolloutState,
  step: number,
  beforeMs: number,
  analysisDueAtMs: number | null,
): number {
  const { nominalEndMs = 0, minimumBakeMs = 0 } = spec.steps[step - 1] ?? {};
  const byPlanMs = state.startedAtMs + nominalEndMs;
  if (analysisDueAtMs === null || step <= state.step) return byPlanMs;
  if (step === state.step + 1) return Math.max(analysisDueAtMs, stepDueAtMs(spec, state));
  return Math.max(byPlanMs, beforeMs + minimumBakeMs);
}
