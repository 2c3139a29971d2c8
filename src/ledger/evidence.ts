import { sql } from 'kysely';
import type { ArmEvidence, Evidence } from '../contract/rollout';
import type { ArmTotals, EvidenceRequest, FailureCount, ObservedTraffic, Spending } from '../contract/rollout-ledger';
import {
  decidedAtMs,
  failure,
  firstCalls,
  Latencies,
  latenciesByArm,
  success,
  type TurnsOf,
  userOf,
} from './first-calls';
import { nowMs } from './clock';
import { total } from './money';
import { exactInteger } from './money';
import type { LedgerDatabase } from './schema';

/** See `Rollouts.evidence`. */
export async function evidence(db: LedgerDatabase, request: EvidenceRequest): Promise<Evidence> {
  const { bake, baselineArm, canaryArm, maxLatencyPercent } = request;
  const atMs = request.atMs ?? (await nowMs(db));
  const requests = await countRequests(db, request);
  const latencies = await latenciesByArm(db, request);
  const turns = await turnsByArm(db, request);
  const largestKey = await largestKeyOf(db, request);

  const ofCanary = requests.filter((row) => row.arm === canaryArm);
  const canaryLatencies = latencies.get(canaryArm) ?? new Latencies();
  const baselineP95Ms = latencies.get(baselineArm)?.p95Ms() ?? null;
  return {
    atMs,
    bake,
    canarySuccesses: ofCanary.reduce((sum, row) => sum + row.successes, 0),
    canaryFailures: ofCanary.reduce((sum, row) => sum + row.failures, 0),
    baseline: armEvidence(baselineArm),
    canary: armEvidence(canaryArm),
    canaryTimedCalls: canaryLatencies.calls,
    canarySlowCalls:
      maxLatencyPercent === null || baselineP95Ms === null
        ? 0
        : canaryLatencies.slowerThan((baselineP95Ms * maxLatencyPercent) / 100),
    newestCanaryAtMs: ofCanary.find((row) => row.bake === bake)?.newestAtMs ?? null,
    ...(largestKey && { canaryLargestKey: largestKey }),
  };

  function armEvidence(arm: string): ArmEvidence {
    const counted = requests.find((row) => row.arm === arm && row.bake === bake);
    const { turns: admitted, users, successfulTurns, costNanoUsd, unconfirmedNanoUsd } = turns.get(arm) ?? noTurns;
    return {
      turns: admitted,
      users,
      successes: counted?.successes ?? 0,
      failures: counted?.failures ?? 0,
      latencyMeanMs: latencies.get(arm)?.meanMs() ?? null,
      latencyP95Ms: latencies.get(arm)?.p95Ms() ?? null,
      successfulTurns,
      costNanoUsd: costNanoUsd + unconfirmedNanoUsd,
    };
  }
}

const rank = sql<number>`row_number() over (
  partition by turns.bake, turns.arm, ${userOf} order by attempts.started_at_ms, attempts.turn_id
)`;

/** The API key with the most of the canary's requests that count in this bake. */
function largestKeyOf(db: LedgerDatabase, { rollout, bake, canaryArm, maxRequestsPerUser }: EvidenceRequest) {
  const requests = total(sql`case when rank <= ${maxRequestsPerUser} then success + failure else 0 end`);
  return db
    .selectFrom(
      firstCalls(db, { rollout, bake })
        .where('turns.arm', '=', canaryArm)
        .select(['attempts.key_id as keyId', rank.as('rank'), success.as('success'), failure.as('failure')])
        .as('requests'),
    )
    .where('keyId', 'is not', null)
    .select((eb) => [eb.ref('keyId').$notNull().as('keyId'), requests.as('requests')])
    .groupBy('keyId')
    .orderBy('requests', 'desc')
    .orderBy('keyId')
    .limit(1)
    .executeTakeFirst();
}

/**
 * Counts the requests of this bake by arm, and the canary's requests of every bake. For the cap per user, a user's requests
 * are ranked by their start whatever their outcome, so that one that ends late does not displace another.
 */
function countRequests(db: LedgerDatabase, request: EvidenceRequest) {
  const { rollout, bake, baselineArm, canaryArm, maxRequestsPerUser } = request;
  return db
    .selectFrom(
      firstCalls(db, { rollout })
        .where((eb) =>
          eb.or([
            eb('turns.arm', '=', canaryArm),
            eb.and([eb('turns.arm', '=', baselineArm), eb('turns.bake', '=', bake)]),
          ]),
        )
        .select(['turns.bake', 'turns.arm', rank.as('rank')])
        .select([success.as('success'), failure.as('failure'), decidedAtMs.as('decidedAtMs')])
        .as('requests'),
    )
    .select(['bake', 'arm', sql<number | null>`max("decidedAtMs")`.as('newestAtMs')])
    .select(total(sql`case when rank <= ${maxRequestsPerUser} then success else 0 end`).as('successes'))
    .select(total(sql`case when rank <= ${maxRequestsPerUser} then failure else 0 end`).as('failures'))
    .groupBy(['bake', 'arm'])
    .execute();
}

/** The outcomes and costs of one arm's turns. */
interface ArmTurns {
  /** Turns admitted, whatever their outcome. */
  readonly turns: number;
  readonly users: number;
  /** Turns answered, by any target of the arm. */
  readonly successfulTurns: number;
  /** All calls of the arm's targets for these turns. */
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
  /** See `ArmTotals`. */
  readonly rescuedTurns: number;
  readonly rescueNanoUsd: number;
}

const noTurns: ArmTurns = {
  turns: 0,
  users: 0,
  successfulTurns: 0,
  costNanoUsd: 0,
  unconfirmedNanoUsd: 0,
  rescuedTurns: 0,
  rescueNanoUsd: 0,
};

/** By arm; an arm without turns is absent. */
async function turnsByArm(db: LedgerDatabase, of: TurnsOf): Promise<ReadonlyMap<string, ArmTurns>> {
  const costs = new Map((await costsByArm(db, of)).map((row) => [row.arm, row]));
  const rows = await admittedTurns(db, of)
    .select(['arm', sql<number>`count(*)`.as('turns'), sql<number>`count(distinct ${userOf})`.as('users')])
    .select(total(sql`case when outcome = 'answered' and rescued_by is null then 1 else 0 end`).as('successfulTurns'))
    .select(total(sql`case when rescued_by is not null then 1 else 0 end`).as('rescuedTurns'))
    .groupBy('arm')
    .execute();
  return new Map(
    rows.map(({ arm, ...counts }) => {
      const { cost = 0, unconfirmed = 0, rescue = 0 } = costs.get(arm) ?? {};
      const costNanoUsd = exactInteger(cost);
      const unconfirmedNanoUsd = exactInteger(unconfirmed);
      return [arm, { ...counts, costNanoUsd, unconfirmedNanoUsd, rescueNanoUsd: exactInteger(rescue) }];
    }),
  );
}

/** Excludes turns that a budget refused. */
function admittedTurns(db: LedgerDatabase, { rollout, bake }: TurnsOf) {
  const turns = db.selectFrom('turns').where('rollout', '=', rollout).where('admitted_at_ms', 'is not', null);
  return bake === undefined ? turns : turns.where('bake', '=', bake);
}

/** What the baseline's targets charge for turns that they rescue is no cost of the canary. */
const isOwn = sql<boolean>`attempts.arm = turns.arm`;

function costsByArm(db: LedgerDatabase, of: TurnsOf) {
  return admittedTurns(db, of)
    .innerJoin('attempts', 'attempts.turn_id', 'turns.turn_id')
    .select('turns.arm')
    .select(
      total(sql`case when ${isOwn} and attempts.state = 'settled' then attempts.cost_nano_usd else 0 end`).as('cost'),
    )
    .select(
      total(sql`case when ${isOwn} and attempts.state = 'unconfirmed' then attempts.cost_nano_usd else 0 end`).as(
        'unconfirmed',
      ),
    )
    .select(total(sql`case when ${isOwn} then 0 else attempts.cost_nano_usd end`).as('rescue'))
    .groupBy('turns.arm')
    .execute();
}

/** See `Rollouts.armTotals`. */
export async function armTotals(db: LedgerDatabase, rollout: string): Promise<readonly ArmTotals[]> {
  const calls = await firstCalls(db, { rollout })
    .select(['turns.arm', total(success).as('successes'), total(failure).as('failures')])
    .groupBy('turns.arm')
    .execute();
  const callsByArm = new Map(calls.map((row) => [row.arm, row]));
  const latencies = await latenciesByArm(db, { rollout });
  const arms = [...(await turnsByArm(db, { rollout }))].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return arms.map(([arm, { users: _users, ...totals }]) => ({
    arm,
    ...totals,
    successes: callsByArm.get(arm)?.successes ?? 0,
    failures: callsByArm.get(arm)?.failures ?? 0,
    latencyMeanMs: latencies.get(arm)?.meanMs() ?? null,
    latencyP95Ms: latencies.get(arm)?.p95Ms() ?? null,
  }));
}

/** See `Rollouts.failures`. */
export async function failures(db: LedgerDatabase, rollout: string): Promise<readonly FailureCount[]> {
  const rows = await firstCalls(db, { rollout })
    .select(['turns.arm', sql<string>`coalesce(attempts.outcome, '')`.as('outcome'), total(failure).as('calls')])
    .groupBy(['turns.arm', 'attempts.outcome'])
    .orderBy('turns.arm')
    .orderBy('calls', 'desc')
    .orderBy('outcome')
    .execute();
  return rows.filter(({ calls }) => calls > 0);
}

/** See `Rollouts.spending`. */
export async function spending(db: LedgerDatabase, rollout: string): Promise<readonly Spending[]> {
  const key = ['attempts.arm', 'attempts.target', 'attempts.provider', 'attempts.model'] as const;
  const rows = await db
    .selectFrom('turns')
    .innerJoin('attempts', 'attempts.turn_id', 'turns.turn_id')
    .where('turns.rollout', '=', rollout)
    .where('attempts.state', '=', 'settled')
    .select(key)
    .select((eb) => [
      eb.cast<number>(eb.fn.sum('attempts.prompt_tokens'), 'bigint').as('promptTokens'),
      eb.cast<number>(eb.fn.sum('attempts.cached_prompt_tokens'), 'bigint').as('cachedPromptTokens'),
      eb.cast<number>(eb.fn.sum('attempts.cache_write_tokens'), 'bigint').as('cacheWriteTokens'),
      eb.cast<number>(eb.fn.sum('attempts.completion_tokens'), 'bigint').as('completionTokens'),
      eb.cast<number>(eb.fn.sum('attempts.cost_nano_usd'), 'bigint').as('costNanoUsd'),
    ])
    .groupBy(key)
    .orderBy('attempts.arm')
    .orderBy('attempts.target')
    .orderBy('attempts.model')
    .execute();
  return rows.map((row) => ({ ...row, costNanoUsd: exactInteger(row.costNanoUsd) }));
}

/** See `Rollouts.traffic`. */
export async function observedTraffic(
  db: LedgerDatabase,
  sinceMs: number,
  untilMs?: number,
): Promise<readonly ObservedTraffic[]> {
  return db
    .selectFrom('turns')
    .where('admitted_at_ms', '>=', sinceMs)
    .$if(untilMs !== undefined, (query) => query.where('admitted_at_ms', '<', untilMs ?? 0))
    .select(['arm', sql<number>`count(*)`.as('turns'), sql<number>`count(distinct ${userOf})`.as('users')])
    .groupBy('arm')
    .orderBy('arm')
    .execute();
}
