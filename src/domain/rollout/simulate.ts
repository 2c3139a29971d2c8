import type { ArmEvidence, Evidence, RolloutSpec, RolloutState } from '../../contract/rollout';
import { advanceRollout } from './advance-rollout';
import { nextAnalysisAtMs, plannedEndAtMs } from './clock';

export interface SimulationOptions extends TrafficOptions {
  readonly spec: RolloutSpec;
}

/** The state of one run at the end of the plan, if no operator intervenes. */
export interface SimulatedRollout {
  /** `late`: still progressing, because its bakes took longer than planned. */
  readonly end: 'promoted' | 'rolled-back' | 'held' | 'late';
  /** Milliseconds from the start until the canary had all or no traffic, or the rollout was held; null when late. */
  readonly decidedAfterMs: number | null;
  /** Whether the rollout went beyond its first step. */
  readonly advanced: boolean;
}

/**
 * Runs a rollout against simulated traffic, with the same rule that decides real ones. `random` returns numbers from 0 to
 * 1, excluding 1. The run ends when the canary has all or no traffic, or when the plan is over.
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
  /** The true success rate of the canary's first calls, 0 to 1. */
  readonly canarySuccessRate: number;
  readonly baselineSuccessRate: number;
  /** For both arms together. */
  readonly requestsPerHour: number;
}

/**
 * The traffic of one run, counted as the ledger counts it.
 *
 * Requests arrive evenly, and each arm gets exactly its share: the counts are fixed, only the outcomes are random.
 * (Random counts would vary by a few percent around the same means and say nothing about the canary.) Every request has
 * its own user, so that the cap per user never applies and the share of users matches the split. Both arms are equally
 * fast and cost nothing: the latency and cost guards are not simulated.
 */
class SimulatedTraffic {
  private readonly canary: Arm;
  private readonly baseline: Arm;
  private bake = 0;

  /** `random` returns numbers from 0 to 1, excluding 1. */
  constructor(
    private readonly options: TrafficOptions,
    random: () => number,
  ) {
    this.canary = new Arm(failuresAmong(options.canarySuccessRate, random));
    this.baseline = new Arm(failuresAmong(options.baselineSuccessRate, random));
  }

  /** Call it with ascending times: past outcomes are final. */
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

/** The epsilon keeps a rounding error from turning 200 requests into 199. */
function countIn(durationMs: number, perMs: number): number {
  return Math.floor(durationMs * perMs + 1e-6);
}

class Arm {
  /** In this bake. */
  requests = 0;
  failures = 0;
  /** In all previous bakes. */
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
 * Draws how many of the next requests fail, by jumping from failure to failure: exactly binomial, and faster the rarer
 * failures are.
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
