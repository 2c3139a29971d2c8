import type { ArmEvidence, Evidence } from '../../src/contract/rollout';
import type { ArmTotals, EvidenceRequest, FailureCount, Spending } from '../../src/contract/rollout-ledger';

/** A call as the model remembers it. */
export interface KnownCall {
  /** Of the target. */
  readonly arm: string;
  readonly target: string;
  readonly model: string;
  readonly state: 'reserved' | 'settled' | 'released' | 'unconfirmed';
  readonly outcome: string | null;
  readonly latencyMs: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly costNanoUsd: number;
  readonly promptTokens: number;
  readonly cachedPromptTokens: number;
  readonly cacheWriteTokens: number;
  readonly completionTokens: number;
}

export interface KnownTurn {
  readonly turnId: string;
  readonly user: string;
  readonly arm: string;
  readonly bake: number | null;
  readonly isAdmitted: boolean;
  readonly isAnswered: boolean;
  /** The other arm answered. */
  readonly isRescued: boolean;
  /** In the order in which they were made. */
  readonly calls: readonly KnownCall[];
}

/** What the ledger must count, computed as simply as possible from all turns of one rollout. */
export function naiveEvidence(turns: readonly KnownTurn[], request: EvidenceRequest): Evidence {
  const { atMs = 0, bake, baselineArm, canaryArm, maxRequestsPerUser: cap, maxLatencyPercent } = request;
  const of = (arm: string, ofBake: number) => turns.filter((turn) => turn.arm === arm && turn.bake === ofBake);
  const canaryBakes = [1, 2].map((ofBake) => countRequests(of(canaryArm, ofBake), cap));
  const canaryLatencies = latenciesOf(of(canaryArm, bake));
  const baselineP95 = p95(latenciesOf(of(baselineArm, bake)));
  const isGuarded = maxLatencyPercent !== null && baselineP95 !== null;
  const limitMs = isGuarded ? (baselineP95 * maxLatencyPercent) / 100 : Number.POSITIVE_INFINITY;
  const canaryEnds = of(canaryArm, bake).flatMap((turn) => {
    const first = turn.calls[0];
    return first && isDecided(first) ? [first.endedAtMs] : [];
  });
  return {
    atMs,
    bake,
    canarySuccesses: sum(canaryBakes.map(({ successes }) => successes)),
    canaryFailures: sum(canaryBakes.map(({ failures }) => failures)),
    baseline: armEvidence(of(baselineArm, bake), cap),
    canary: armEvidence(of(canaryArm, bake), cap),
    canaryTimedCalls: canaryLatencies.length,
    canarySlowCalls: canaryLatencies.filter((ms) => ms > limitMs).length,
    newestCanaryAtMs: canaryEnds.length === 0 ? null : Math.max(...canaryEnds),
  };
}

function armEvidence(turns: readonly KnownTurn[], cap: number): ArmEvidence {
  const admitted = turns.filter(({ isAdmitted }) => isAdmitted);
  const latencies = latenciesOf(turns);
  return {
    turns: admitted.length,
    users: new Set(admitted.map(({ user }) => user)).size,
    ...countRequests(turns, cap),
    latencyMeanMs: mean(latencies),
    latencyP95Ms: p95(latencies),
    successfulTurns: admitted.filter(({ isAnswered, isRescued }) => isAnswered && !isRescued).length,
    costNanoUsd: sum(callsOf(turns, 'own').map((call) => call.costNanoUsd)),
  };
}

function callsOf(turns: readonly KnownTurn[], whose: 'own' | 'other'): readonly KnownCall[] {
  return turns.flatMap(({ arm, calls }) => calls.filter((call) => (call.arm === arm) === (whose === 'own')));
}

export function naiveTotals(turns: readonly KnownTurn[]): readonly ArmTotals[] {
  const arms = [...new Set(turns.filter(({ isAdmitted }) => isAdmitted).map(({ arm }) => arm))].toSorted();
  return arms.map((arm) => {
    const own = turns.filter((turn) => turn.arm === arm);
    const { users: _users, ...evidence } = armEvidence(own, Number.POSITIVE_INFINITY);
    const unconfirmed = callsOf(own, 'own').filter(({ state }) => state === 'unconfirmed');
    const unconfirmedNanoUsd = sum(unconfirmed.map((call) => call.costNanoUsd));
    return {
      arm,
      ...evidence,
      costNanoUsd: evidence.costNanoUsd - unconfirmedNanoUsd,
      unconfirmedNanoUsd,
      rescuedTurns: own.filter(({ isRescued }) => isRescued).length,
      rescueNanoUsd: sum(callsOf(own, 'other').map((call) => call.costNanoUsd)),
    };
  });
}

export function naiveSpending(turns: readonly KnownTurn[]): readonly Spending[] {
  const rows = new Map<string, Spending>();
  for (const { calls } of turns) {
    for (const call of calls.filter(({ state }) => state === 'settled')) {
      const { arm, target, model } = call;
      const key = [arm, target, model].join();
      const before = rows.get(key);
      rows.set(key, {
        arm,
        target,
        provider: 'holysheep',
        model,
        promptTokens: (before?.promptTokens ?? 0) + call.promptTokens,
        cachedPromptTokens: (before?.cachedPromptTokens ?? 0) + call.cachedPromptTokens,
        cacheWriteTokens: (before?.cacheWriteTokens ?? 0) + call.cacheWriteTokens,
        completionTokens: (before?.completionTokens ?? 0) + call.completionTokens,
        costNanoUsd: (before?.costNanoUsd ?? 0) + call.costNanoUsd,
      });
    }
  }
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

/** Unsorted. */
export function naiveFailures(turns: readonly KnownTurn[]): readonly FailureCount[] {
  const calls = new Map<string, number>();
  for (const { arm, calls: made } of turns) {
    const [first] = made;
    if (first === undefined || !isDecided(first) || first.outcome === 'answered') continue;
    const key = JSON.stringify([arm, first.outcome]);
    calls.set(key, (calls.get(key) ?? 0) + 1);
  }
  return [...calls].map(([key, count]) => {
    const [arm, outcome] = JSON.parse(key) as [string, string];
    return { arm, outcome, calls: count };
  });
}

/** A user's calls are ranked before their outcome is known. */
function countRequests(turns: readonly KnownTurn[], cap: number) {
  const counted: KnownCall[] = [];
  for (const user of new Set(turns.map((turn) => turn.user))) {
    const first = turns.flatMap((turn) => {
      const call = turn.calls[0];
      return turn.user === user && call ? [{ turnId: turn.turnId, call }] : [];
    });
    first.sort((a, b) => a.call.startedAtMs - b.call.startedAtMs || (a.turnId < b.turnId ? -1 : 1));
    counted.push(...first.slice(0, cap).map(({ call }) => call));
  }
  const decided = counted.filter(isDecided);
  const successes = decided.filter(({ outcome }) => outcome === 'answered').length;
  return { successes, failures: decided.length - successes };
}

function isDecided({ outcome }: KnownCall): boolean {
  return outcome !== null && outcome !== 'cancelled' && outcome !== 'budget';
}

function latenciesOf(turns: readonly KnownTurn[]): readonly number[] {
  return turns.flatMap(({ calls: [first] }) =>
    first?.outcome === 'answered' || first?.outcome === 'timeout' ? [first.latencyMs] : [],
  );
}

function p95(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? null;
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
