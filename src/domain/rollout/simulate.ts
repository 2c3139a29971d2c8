import type { ArmEvidence, Evidence, RolloutSpec, RolloutState } from '../../contract/rollout';
import { advanceRollout } from './advance-rollout';
import { nextAnalysisAtMs, plannedEndAtMs } from './clock';

export interface SimulationOptions extends TrafficOptions {
  readonly spec: RolloutSpec;
}

/** How one run stood when the time of the plan was over, with nobody to decide anything. */
export interface SimulatedRollout {
  /** `late`: under way, catching up with its bakes. */
  readonly end: 'promoted' | 'rolled-back' | 'held' | 'late';
  /** From the start until the canary had all traffic or none, or the rollout was held; null when late. Milliseconds. */
  readonly decidedAfterMs: number | null;
  /** The canary had more than the first step's share at some time. */
  readonly advanced: boolean;
}

/**
 * One run of a rollout against simulated traffic, decided by the very rule that decides a real one. `random` gives numbers
 * from 0 to 1, 1 excluded. The run ends when the canary has all traffic or none, or when the plan is over.
 */
export function simulateRollout({ spec, ...options }: SimulationOptions, random: () => number): SimulatedRollout {
  const traffic = new SimulatedTraffic(options, random);
  let state: RolloutState = advanceRollout(spec, null, { atMs: 0, evidence: null, command: null }).next;
  let heldAtMs: number | null = null;
  const planEndsAtMs = plannedEndAtMs(spec, state);
  const ended = (end: SimulatedRollout['end'], decidedAfterMs: number | null): SimulatedRollout => ({
    end,
    decidedAfterMs,
    advanced: state.step > 0,
  });

  let atMs = nextAnalysisAtMs(spec, state, 0);
  while (atMs <= planEndsAtMs) {
    const evidence = traffic.evidenceAt(atMs, state);
    state = advanceRollout(spec, state, { atMs, evidence, command: null }).next;
    if (state.phase === 'Promoting') return ended('promoted', atMs);
    if (state.phase === 'RolledBack') return ended('rolled-back', atMs);
    if (state.phase === 'Held') heldAtMs ??= atMs;
    atMs = nextAnalysisAtMs(spec, state, atMs);
  }
  return ended(heldAtMs === null ? 'late' : 'held', heldAtMs);
}

const hourMs = 60 * 60 * 1000;

interface TrafficOptions {
  /** True success rate of the canary's first calls, 0 to 1. */
  readonly canarySuccessRate: number;
  readonly baselineSuccessRate: number;
  /** Of both arms together. */
  readonly requestsPerHour: number;
}

/**
 * The traffic of one run, as the ledger would count it.
 *
 * Requests come evenly, and each arm gets exactly its share: how many there are is given, only how they end is chance.
 * (Drawn counts would vary by a few percent around the same means, and say nothing of the canary.) Each request is of a
 * user of its own, so that no user's cap is met and the share of users is the split's. Both arms are equally fast and
 * cost nothing: the guards of latency and cost are not simulated.
 */
class SimulatedTraffic {
  private readonly canary: Arm;
  private readonly baseline: Arm;
  private bake = 0;

  /** `random` gives numbers from 0 to 1, 1 excluded. */
  constructor(
    private readonly options: TrafficOptions,
    random: () => number,
  ) {
    this.canary = new Arm(failuresAmong(options.canarySuccessRate, random));
    this.baseline = new Arm(failuresAmong(options.baselineSuccessRate, random));
  }

  /** Call it in the order of time: requests that ended stay as they were. */
  evidenceAt(atMs: number, { bake, bakeStartedAtMs, percent }: RolloutState): Evidence {
    const { canary, baseline } = this;
    if (bake !== this.bake) {
      this.bake = bake;
      canary.beginBake();
      baseline.beginBake();
    }
    const requestsPerMs = this.options.requestsPerHour / hourMs;
    const canaryPerMs = (requestsPerMs * percent) / 100;
    canary.receiveUpTo(countIn(atMs - bakeStartedAtMs, canaryPerMs));
    baseline.receiveUpTo(countIn(atMs - bakeStartedAtMs, requestsPerMs - canaryPerMs));
    return {
      atMs,
      bake,
      canarySuccesses: canary.earlierRequests - canary.earlierFailures + canary.requests - canary.failures,
      canaryFailures: canary.earlierFailures + canary.failures,
      baseline: baseline.evidence(),
      canary: canary.evidence(),
      canaryTimedCalls: 0,
      canarySlowCalls: 0,
      newestCanaryAtMs: canary.requests === 0 ? null : Math.floor(bakeStartedAtMs + canary.requests / canaryPerMs),
    };
  }
}

/** A hair more, so that 200 requests are not 199 for the rounding of a product. */
function countIn(durationMs: number, perMs: number): number {
  return Math.floor(durationMs * perMs + 1e-6);
}

class Arm {
  /** In this bake. */
  requests = 0;
  failures = 0;
  /** In all bakes before. */
  earlierRequests = 0;
  earlierFailures = 0;

  constructor(private readonly drawFailures: (requests: number) => number) {}

  beginBake(): void {
    this.earlierRequests += this.requests;
    this.earlierFailures += this.failures;
    this.requests = 0;
    this.failures = 0;
  }

  receiveUpTo(requests: number): void {
    this.failures += this.drawFailures(requests - this.requests);
    this.requests = requests;
  }

  evidence(): ArmEvidence {
    const successes = this.requests - this.failures;
    return {
      turns: this.requests,
      users: this.requests,
      successes,
      failures: this.failures,
      latencyMeanMs: null,
      latencyP95Ms: null,
      successfulTurns: successes,
      costNanoUsd: 0,
    };
  }
}

/**
 * How many of the next requests fail, by skipping from failure to failure: exactly binomial, and as quick as failures are
 * rare.
 */
function failuresAmong(successRate: number, random: () => number): (requests: number) => number {
  if (successRate >= 1) return () => 0;
  const logSuccessRate = Math.log(successRate);
  const drawSuccesses = (): number => Math.floor(Math.log(1 - random()) / logSuccessRate);
  let successesToCome = drawSuccesses();
  return (requests) => {
    let failures = 0;
    let left = requests;
    while (successesToCome < left) {
      left -= successesToCome + 1;
      failures += 1;
      successesToCome = drawSuccesses();
    }
    successesToCome -= left;
    return failures;
  };
}
