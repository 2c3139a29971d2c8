import { turnsByArm } from './arm-turns';
import { failure, firstCalls, latenciesByArm, success, total } from './first-calls';
import { exactInteger } from './money';
import type { ArmTotals, Spending } from './rollouts';
import type { LedgerDatabase } from './schema';

/** See `Rollouts.armTotals`. */
export async function armTotals(db: LedgerDatabase, rollout: string): Promise<readonly ArmTotals[]> {
  const calls = await firstCalls(db, { rollout })
    .select(['turns.arm', total(success).as('successes'), total(failure).as('failures')])
    .groupBy('turns.arm')
    .execute();
  const callsByArm = new Map(calls.map((row) => [row.arm, row]));
  const latencies = await latenciesByArm(db, { rollout });
  const arms = [...(await turnsByArm(db, { rollout }))].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return arms.map(([arm, { turns, successfulTurns, costNanoUsd, unconfirmedNanoUsd }]) => ({
    arm,
    turns,
    successes: callsByArm.get(arm)?.successes ?? 0,
    failures: callsByArm.get(arm)?.failures ?? 0,
    latencyMeanMs: latencies.get(arm)?.meanMs() ?? null,
    latencyP95Ms: latencies.get(arm)?.p95Ms() ?? null,
    successfulTurns,
    costNanoUsd,
    unconfirmedNanoUsd,
  }));
}

/** See `Rollouts.spending`. */
export async function spending(db: LedgerDatabase, rollout: string): Promise<readonly Spending[]> {
  const key = ['turns.arm', 'attempts.target', 'attempts.provider', 'attempts.model'] as const;
  const rows = await db
    .selectFrom('turns')
    .innerJoin('attempts', 'attempts.turn_id', 'turns.turn_id')
    .where('turns.rollout', '=', rollout)
    .where('attempts.state', '=', 'settled')
    .select(key)
    .select((eb) => [
      eb.cast<number>(eb.fn.sum('attempts.prompt_tokens'), 'bigint').as('promptTokens'),
      eb.cast<number>(eb.fn.sum('attempts.cached_prompt_tokens'), 'bigint').as('cachedPromptTokens'),
      eb.cast<number>(eb.fn.sum('attempts.completion_tokens'), 'bigint').as('completionTokens'),
      eb.cast<number>(eb.fn.sum('attempts.cost_nano_usd'), 'bigint').as('costNanoUsd'),
    ])
    .groupBy(key)
    .orderBy('turns.arm')
    .orderBy('attempts.target')
    .orderBy('attempts.model')
    .execute();
  return rows.map((row) => ({ ...row, costNanoUsd: exactInteger(row.costNanoUsd) }));
}
