import type { RolloutEntry, RolloutSpec, RolloutState } from '../../src/contract/rollout';
import { noonMs } from './requests';

const hourMs = 60 * 60 * 1000;

function spec(over: Partial<RolloutSpec> = {}): RolloutSpec {
  return {
    name: 'november',
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    steps: [{ percent: 10, nominalEndMs: 18 * hourMs, minimumBakeMs: 12 * hourMs }],
    intervalMs: hourMs,
    warmMs: 24 * hourMs,
    gates: {
      alpha: 0.001,
      beta: 0.001,
      minimumSuccessRate: 0.99,
      expectedSuccessRate: 0.997,
      breachSuccessRate: 0.98,
      minimumStepRequests: 300,
      maxRequestsPerUser: 20,
      freshnessMs: hourMs,
      maxLatencyPercent: 110,
      maxCostPercent: null,
      maxCostNanoUsdPerSuccess: null,
    },
    freezeWindows: [],
    takeOver: false,
    actor: 'ann',
    ...over,
  };
}

/** Where traffic goes before the first rollout. */
export const defaultArm = 'legacy';

type EntryOver = Partial<Omit<RolloutEntry, 'decision' | 'spec'>> &
  Partial<Pick<RolloutState, 'percent' | 'bake' | 'endedAtMs'>> & {
    readonly spec?: Partial<RolloutSpec>;
    readonly action?: RolloutEntry['decision']['action'];
    readonly reason?: string;
  };

/** An entry with the fields that the ledger uses; it checks only that its place follows from the one before. */
export function entry(sequence: number, over: EntryOver = {}): RolloutEntry {
  const { percent = 10, endedAtMs = null, action = sequence === 1 ? 'start' : 'wait', reason = 'so' } = over;
  // A new percentage begins a new bake: the ledger takes nothing else.
  const { bake = percent === 10 ? 1 : sequence } = over;
  const atMs = over.atMs ?? noonMs + sequence * hourMs;
  return {
    spec: spec(over.spec),
    atMs,
    evidence: over.evidence ?? null,
    command: over.command ?? null,
    decision: {
      action,
      reason,
      missing: [],
      next: {
        phase: 'Progressing',
        message: reason,
        step: 0,
        percent,
        bake,
        bakeStartedAtMs: noonMs,
        startedAtMs: noonMs,
        stepStartedAtMs: noonMs,
        endedAtMs,
        reached: [],
        sequence,
      },
    },
  };
}
