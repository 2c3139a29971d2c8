import { sql } from 'kysely';
import { nearestRank } from '../domain/quantile';
import type { LedgerDatabase } from './schema';

/** The turns of a rollout, or of one of its bakes. */
export interface TurnsOf {
  readonly rollout: string;
  readonly bake?: number;
}

/** The user of a turn: all turns of a user count together; a turn without user and session counts as its own user. */
export const userOf = sql<string>`coalesce(turns.user_id, turns.session_id, turns.turn_id)`;

/**
 * A first call with a conclusive outcome. A cancelled turn, an exhausted budget or a call whose worker died says nothing
 * about the arm.
 */
const isDecided = sql<boolean>`attempts.outcome is not null and attempts.outcome not in ('cancelled', 'budget')`;

/** 1 for a first call that was answered (`success`) or failed (`failure`), else 0. For sums. */
export const success = sql<number>`case when attempts.outcome = 'answered' then 1 else 0 end`;
export const failure = sql<number>`case when ${isDecided} and attempts.outcome <> 'answered' then 1 else 0 end`;
export const decidedAtMs = sql<number | null>`case when ${isDecided} then attempts.ended_at_ms end`;

/** Answers and timeouts: without the timeouts, the slowest calls would not show in the latency. */
export const isTimed = sql<boolean>`attempts.outcome in ('answered', 'timeout')`;

/** The first calls of a rollout's turns. */
export function firstCalls(db: LedgerDatabase, { rollout, bake }: TurnsOf) {
  const calls = db
    .selectFrom('turns')
    .innerJoin('attempts', (join) =>
      join.onRef('attempts.turn_id', '=', 'turns.turn_id').on('attempts.attempt', '=', sql.lit(1)),
    )
    .where('turns.rollout', '=', rollout);
  return bake === undefined ? calls : calls.where('turns.bake', '=', bake);
}

/** Latencies of one arm's first calls, as an exact histogram: they are whole milliseconds, which many calls share. */
export class Latencies {
  private readonly countByMs: (readonly [ms: number, calls: number])[] = [];
  calls = 0;

  /** In ascending order of `ms`. */
  add(ms: number, calls: number): void {
    this.countByMs.push([ms, calls]);
    this.calls += calls;
  }

  meanMs(): number | null {
    if (this.calls === 0) return null;
    return this.countByMs.reduce((sum, [ms, calls]) => sum + ms * calls, 0) / this.calls;
  }

  p95Ms(): number | null {
    return this.percentileMs(95);
  }

  /** `percent` is a whole number. */
  percentileMs(percent: number): number | null {
    const rank = nearestRank(this.calls, percent);
    let passed = 0;
    for (const [ms, calls] of this.countByMs) {
      passed += calls;
      if (passed >= rank) return ms;
    }
    return null;
  }

  slowerThan(limitMs: number): number {
    return this.countByMs.reduce((sum, [ms, calls]) => sum + (ms > limitMs ? calls : 0), 0);
  }
}

/** By arm; an arm without timed calls is absent. */
export async function latenciesByArm(db: LedgerDatabase, of: TurnsOf): Promise<ReadonlyMap<string, Latencies>> {
  const rows = await firstCalls(db, of)
    .where(isTimed)
    .where('attempts.latency_ms', 'is not', null)
    .select(['turns.arm', 'attempts.latency_ms as ms', sql<number>`count(*)`.as('calls')])
    .groupBy(['turns.arm', 'attempts.latency_ms'])
    .orderBy('attempts.latency_ms')
    .execute();
  const byArm = new Map<string, Latencies>();
  for (const { arm, ms, calls } of rows) {
    const latencies = byArm.get(arm) ?? new Latencies();
    latencies.add(ms ?? 0, calls);
    byArm.set(arm, latencies);
  }
  return byArm;
}
