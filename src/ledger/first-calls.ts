import { sql } from 'kysely';
import { nearestRank } from '../domain/quantile';
import type { LedgerDatabase } from './schema';

/** The turns of a rollout; of one bake, when it is named. */
export interface TurnsOf {
  readonly rollout: string;
  readonly bake?: number;
}

/** Whose request a turn is: one user's count together, and a turn that names nobody stands alone. */
export const userOf = sql<string>`coalesce(turns.user_id, turns.session_id, turns.turn_id)`;

/**
 * A first call that ended on its own. A turn that was cancelled, or whose budget ended, says nothing of the arm; neither
 * does a call whose worker died.
 */
const isDecided = sql<boolean>`attempts.outcome is not null and attempts.outcome not in ('cancelled', 'budget')`;

/** 1 for a first call that was answered, and for one that failed; 0 otherwise. For sums. */
export const success = sql<number>`case when attempts.outcome = 'answered' then 1 else 0 end`;
export const failure = sql<number>`case when ${isDecided} and attempts.outcome <> 'answered' then 1 else 0 end`;
export const decidedAtMs = sql<number | null>`case when ${isDecided} then attempts.ended_at_ms end`;

/** Answers and timeouts: without these, the slowest calls would vanish from the latency. */
const isTimed = sql<boolean>`attempts.outcome in ('answered', 'timeout')`;

/** First calls of a rollout's turns. */
export function firstCalls(db: LedgerDatabase, { rollout, bake }: TurnsOf) {
  const calls = db
    .selectFrom('turns')
    .innerJoin('attempts', (join) =>
      join.onRef('attempts.turn_id', '=', 'turns.turn_id').on('attempts.attempt', '=', sql.lit(1)),
    )
    .where('turns.rollout', '=', rollout);
  return bake === undefined ? calls : calls.where('turns.bake', '=', bake);
}

/** How long the first calls of one arm took: exact, as latencies are whole milliseconds that many calls share. */
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
    const rank = nearestRank(this.calls, 95);
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

/** By arm; an arm without timed calls is missing. */
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
