import type { RolloutGates, RolloutState } from '../../contract/rollout';
import type { ClosedUsers, FrozenLimits, UserEvidence } from '../../contract/user-evidence';
import { type ArmSetting, SimulatedUsers, sumOf } from './simulate-arm';
import { CostDrawer, normalTail, type Random, RareEvents } from './simulate-draws';
import { type SimulatedTraffic, trafficAt } from './simulate-traffic';

const hourMs = 60 * 60 * 1000;

/** Latencies are log-normal: the logarithm's standard deviation, and the baseline's p95 that follows from a median of 1 s. */
const latencySpread = 0.8;
const p95Ms = 1000 * Math.exp(1.6449 * latencySpread);
const exactLimits: FrozenLimits = { callMs: p95Ms, firstTokenMs: p95Ms };

interface SimulatedLanguage {
  readonly language: string;
  readonly share: number;
  readonly baseline: SimulatedUsers;
  readonly canary: SimulatedUsers;
  readonly canaryCoin: RareEvents;
  /** The fraction of a user that has not come yet. */
  owed: number;
}

/**
 * The evidence of one run, drawn from one analysis to the next.
 *
 * Users come evenly within an interval, and the arm of each is a coin with the split's bias, as it is by hash. Users whose
 * window spans two bakes count for the earlier one. Latency limits are the baseline's true p95. First tokens are as slow
 * as whole calls.
 */
export class SimulatedEvidence {
  private readonly languages: readonly SimulatedLanguage[];
  private readonly closed: (ClosedUsers & { users: number })[] = [];
  private readonly closedBy = new Map<number, ClosedUsers & { users: number }>();
  private reachedMs = 0;
  private newestCanaryAtMs: number | null = null;
  private bake = 0;

  constructor(
    private readonly traffic: SimulatedTraffic,
    private readonly gates: RolloutGates,
    random: Random,
  ) {
    const setting: ArmSetting = {
      traffic,
      random,
      windowMs: gates.userWindowMs ?? hourMs,
      longestCallMs: gates.longestCallMs ?? 10 * 60_000,
      maxCalls: gates.maxRequestsPerUser,
      costs: new CostDrawer(traffic.costSpread, random),
    };
    this.languages = traffic.languages.map(({ language, share }) => ({
      language,
      share,
      baseline: new SimulatedUsers(setting, traffic.baseline, language, null),
      canary: new SimulatedUsers(setting, traffic.canary, language, (calls, failed, users) =>
        this.close(calls, failed, users),
      ),
      canaryCoin: new RareEvents(random, 0),
      owed: 0,
    }));
  }

  /** Call it with ascending times. The lists in the result keep counting until the next call. */
  at(atMs: number, state: RolloutState): UserEvidence {
    if (state.bake !== this.bake) {
      this.bake = state.bake;
      this.newestCanaryAtMs = null;
    }
    const inBake = { bake: state.bake, fromMs: this.reachedMs, toMs: atMs, knownChance: this.knownChance(state) };
    const visitors = this.visitors(atMs, state);
    for (const language of this.languages) {
      language.owed += visitors * language.share;
      const users = Math.floor(language.owed + 1e-6);
      language.owed -= users;
      language.canaryCoin.setChance(state.percent / 100);
      const canaryUsers = language.canaryCoin.countIn(users);
      if (canaryUsers > 0) this.newestCanaryAtMs = atMs;
      language.baseline.receive({ ...inBake, users: users - canaryUsers, ...this.slowChances(1, 100) });
      language.canary.receive({
        ...inBake,
        users: canaryUsers,
        ...this.slowChances(this.traffic.canary.latency, this.gates.maxLatencyPercent ?? 100),
      });
    }
    this.reachedMs = atMs;
    const languages = this.languages.map(({ language, baseline, canary }) => ({
      language,
      baseline: baseline.tally,
      canary: canary.tally,
    }));
    return {
      rule: 2,
      atMs,
      bake: state.bake,
      closed: this.closed,
      baseline: sumOf(languages.map(({ baseline }) => baseline)),
      canary: sumOf(languages.map(({ canary }) => canary)),
      languages,
      limits: exactLimits,
      newestCanaryAtMs: this.newestCanaryAtMs,
    };
  }

  /** Users since the last analysis who had not been seen in this bake. */
  private visitors(atMs: number, { bakeStartedAtMs }: RolloutState): number {
    const { usersPerHour, users } = this.traffic;
    const hours = ((atMs - this.reachedMs) / hourMs) * trafficAt(this.traffic, (atMs + this.reachedMs) / 2);
    if (users === null) return usersPerHour * hours;
    // Each of them comes at random times.
    const unseenAt = (ms: number): number => Math.exp((-usersPerHour / users) * ((ms - bakeStartedAtMs) / hourMs));
    return users * (unseenAt(this.reachedMs) - unseenAt(atMs));
  }

  /** The chance that a canary user of this bake was seen in the canary arm before it. */
  private knownChance({ reached, percent, bakeStartedAtMs }: RolloutState): number {
    const { usersPerHour, users } = this.traffic;
    if (users === null) return 0;
    let unseen = 0;
    reached.forEach((step, index) => {
      const joined = step.percent - (reached[index - 1]?.percent ?? 0);
      const hours = (bakeStartedAtMs - step.startedAtMs) / hourMs;
      unseen += (joined / percent) * Math.exp((-usersPerHour / users) * hours);
    });
    return 1 - unseen;
  }

  private slowChances(latency: number, limitPercent: number): { slowChance: number; slowToSpeakChance: number } {
    const chance = normalTail(1.6449 + Math.log(limitPercent / 100 / latency) / latencySpread);
    return { slowChance: chance, slowToSpeakChance: chance };
  }

  private close(calls: number, failed: number, users: number): void {
    const key = calls * (this.gates.maxRequestsPerUser + 1) + failed;
    let closed = this.closedBy.get(key);
    if (closed === undefined) {
      closed = { calls, failed, users: 0 };
      this.closedBy.set(key, closed);
      this.closed.push(closed);
    }
    closed.users += users;
  }
}
