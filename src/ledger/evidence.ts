import { sql } from 'kysely';
import type { ArmEvidence, Evidence } from '../contract/rollout';
import { noTurns, turnsByArm } from './arm-turns';
import { decidedAtMs, failure, firstCalls, Latencies, latenciesByArm, success, total, userOf } from './first-calls';
import type { EvidenceRequest } from './rollouts';
import type { LedgerDatabase } from './schema';

/** See `Rollouts.evidence`. */
export async function evidence(db: LedgerDatabase, request: EvidenceRequest): Promise<Evidence> {
  const { atMs, bake, baselineArm, canaryArm, maxLatencyPercent } = request;
  const requests = await countRequests(db, request);
  const latencies = await latenciesByArm(db, request);
  const turns = await turnsByArm(db, request);

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

/**
 * Requests of this bake by arm, and the canary's of every bake. A user's requests are counted in the order they began,
 * whatever became of them: so one that ends late takes no place that another one had.
 */
function countRequests(db: LedgerDatabase, request: EvidenceRequest) {
  const { rollout, bake, baselineArm, canaryArm, maxRequestsPerUser } = request;
  const place = sql<number>`row_number() over (
    partition by turns.bake, turns.arm, ${userOf} order by attempts.started_at_ms, attempts.turn_id
  )`;
  return db
    .selectFrom(
      firstCalls(db, { rollout })
        .where((eb) =>
          eb.or([
            eb('turns.arm', '=', canaryArm),
            eb.and([eb('turns.arm', '=', baselineArm), eb('turns.bake', '=', bake)]),
          ]),
        )
        .select(['turns.bake', 'turns.arm', place.as('place')])
        .select([success.as('success'), failure.as('failure'), decidedAtMs.as('decidedAtMs')])
        .as('requests'),
    )
    .select(['bake', 'arm', sql<number | null>`max("decidedAtMs")`.as('newestAtMs')])
    .select(total(sql`case when place <= ${maxRequestsPerUser} then success else 0 end`).as('successes'))
    .select(total(sql`case when place <= ${maxRequestsPerUser} then failure else 0 end`).as('failures'))
    .groupBy(['bake', 'arm'])
    .execute();
}
