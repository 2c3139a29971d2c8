import { sql } from 'kysely';
import { total, type TurnsOf, userOf } from './first-calls';
import { exactInteger } from './money';
import type { LedgerDatabase } from './schema';

/** What became of one arm's turns, and what they cost. */
export interface ArmTurns {
  /** Admitted, whatever became of them. */
  readonly turns: number;
  readonly users: number;
  /** Answered, by whichever target. */
  readonly successfulTurns: number;
  /** All calls of these turns. */
  readonly costNanoUsd: number;
  readonly unconfirmedNanoUsd: number;
}

export const noTurns: ArmTurns = { turns: 0, users: 0, successfulTurns: 0, costNanoUsd: 0, unconfirmedNanoUsd: 0 };

/** By arm; an arm without turns is missing. */
export async function turnsByArm(db: LedgerDatabase, of: TurnsOf): Promise<ReadonlyMap<string, ArmTurns>> {
  const costs = new Map((await costsByArm(db, of)).map((row) => [row.arm, row]));
  const rows = await admittedTurns(db, of)
    .select(['arm', sql<number>`count(*)`.as('turns'), sql<number>`count(distinct ${userOf})`.as('users')])
    .select(total(sql`case when outcome = 'answered' then 1 else 0 end`).as('successfulTurns'))
    .groupBy('arm')
    .execute();
  return new Map(
    rows.map(({ arm, ...counts }) => {
      const { cost = 0, unconfirmed = 0 } = costs.get(arm) ?? {};
      return [
        arm,
        { ...noTurns, ...counts, costNanoUsd: exactInteger(cost), unconfirmedNanoUsd: exactInteger(unconfirmed) },
      ];
    }),
  );
}

/** A turn that a budget refused was never admitted. */
function admittedTurns(db: LedgerDatabase, { rollout, bake }: TurnsOf) {
  const turns = db.selectFrom('turns').where('rollout', '=', rollout).where('admitted_at_ms', 'is not', null);
  return bake === undefined ? turns : turns.where('bake', '=', bake);
}

function costsByArm(db: LedgerDatabase, of: TurnsOf) {
  return admittedTurns(db, of)
    .innerJoin('attempts', 'attempts.turn_id', 'turns.turn_id')
    .select('turns.arm')
    .select(total(sql`case when attempts.state = 'settled' then attempts.cost_nano_usd else 0 end`).as('cost'))
    .select(
      total(sql`case when attempts.state = 'unconfirmed' then attempts.cost_nano_usd else 0 end`).as('unconfirmed'),
    )
    .groupBy('turns.arm')
    .execute();
}
