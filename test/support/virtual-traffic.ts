import type { ArmEvidence, Evidence } from '../../src/contract/rollout';
import { seededRandom } from '../../src/domain/random';

export interface TrafficRates {
  /** Turns of both arms together per virtual hour. */
  readonly requestsPerHour: number;
  readonly canarySuccessRate: number;
  readonly baselineSuccessRate: number;
  readonly seed: string;
}

interface Tally {
  turns: number;
  successes: number;
}

const hourMs = 60 * 60 * 1000;

/** The traffic that users would have sent in virtual time, as the ledger would report it. */
export class VirtualTraffic {
  private readonly random: () => number;
  private readonly total: Tally = { turns: 0, successes: 0 };
  private bake = 0;
  private canary: Tally = { turns: 0, successes: 0 };
  private baseline: Tally = { turns: 0, successes: 0 };
  private lastAtMs: number | undefined;

  constructor(private readonly rates: TrafficRates) {
    this.random = seededRandom(rates.seed);
  }

  /** Since the last call, `percent` of the users were on the canary arm, in bake `bake`. */
  evidence(bake: number, percent: number, atMs: number): Evidence {
    if (bake !== this.bake) {
      this.bake = bake;
      this.canary = { turns: 0, successes: 0 };
      this.baseline = { turns: 0, successes: 0 };
    }
    const { requestsPerHour, canarySuccessRate, baselineSuccessRate } = this.rates;
    // Whole hours, so that an analysis that is seconds late sees the same as one on time: the same seed gives the same
    // result on any machine.
    const requests = Math.round((atMs - (this.lastAtMs ?? atMs)) / hourMs) * requestsPerHour;
    this.lastAtMs = atMs;
    for (let request = 0; request < requests; request += 1) {
      if (request % 100 < percent) this.add([this.canary, this.total], canarySuccessRate);
      else this.add([this.baseline], baselineSuccessRate);
    }
    return {
      atMs,
      bake,
      canarySuccesses: this.total.successes,
      canaryFailures: this.total.turns - this.total.successes,
      canary: armEvidence(this.canary, percent, 180),
      baseline: armEvidence(this.baseline, 100 - percent, 420),
      canaryTimedCalls: this.canary.turns,
      canarySlowCalls: 0,
      newestCanaryAtMs: this.canary.turns > 0 ? atMs : null,
    };
  }

  private add(tallies: readonly Tally[], successRate: number): void {
    const success = this.random() < successRate ? 1 : 0;
    for (const tally of tallies) {
      tally.turns += 1;
      tally.successes += success;
    }
  }
}

function armEvidence({ turns, successes }: Tally, percent: number, latencyMs: number): ArmEvidence {
  return {
    turns,
    users: percent * 10,
    successes,
    failures: turns - successes,
    latencyMeanMs: latencyMs,
    latencyP95Ms: 2 * latencyMs,
    successfulTurns: turns,
    costNanoUsd: turns * 42_000,
  };
}
