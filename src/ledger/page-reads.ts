import type { DaySpending, DecisionEntry, DecisionRow, PageReads, RolloutStart } from '../contract/page-ledger';
import { nowMs } from './clock';
import { exactInteger } from './money';
import type { LedgerDatabase, Runner } from './schema';
import { dayScope, utcDay } from './scopes';
import { padded } from './statement-sizes';

const decisionColumns = ['position', 'sequence', 'at_ms as atMs', 'actor', 'action', 'reason'] as const;

export class SqlPageReads implements PageReads {
  constructor(private readonly run: Runner) {}

  rolloutStarts(limit: number): Promise<readonly RolloutStart[]> {
    return this.run.read((db) =>
      db
        .selectFrom('rollout_audit')
        .select(['rollout', 'at_ms as atMs'])
        .where('sequence', '=', 1)
        .orderBy('position', 'desc')
        .limit(limit)
        .execute(),
    );
  }

  newestDecisions(rollout: string, which: 'all' | 'changes', limit: number): Promise<readonly DecisionRow[]> {
    return this.run.read((db) =>
      db
        .selectFrom('rollout_audit')
        .select(decisionColumns)
        .where('rollout', '=', rollout)
        .$if(which === 'changes', (query) => query.where('action', '<>', 'wait'))
        .orderBy('sequence', 'desc')
        .limit(limit)
        .execute(),
    );
  }

  decisionsAfter(rollout: string, sequence: number, limit: number): Promise<readonly DecisionEntry[]> {
    return this.run.read((db) =>
      entriesOf(db, rollout).where('sequence', '>', sequence).orderBy('sequence').limit(limit).execute(),
    );
  }

  decisions(rollout: string, sequences: readonly number[]): Promise<readonly DecisionEntry[]> {
    if (sequences.length === 0) return Promise.resolve([]);
    return this.run.read((db) =>
      entriesOf(db, rollout).where('sequence', 'in', padded(sequences)).orderBy('sequence').execute(),
    );
  }

  today(): Promise<DaySpending> {
    return this.run.read(async (db) => {
      const day = utcDay(await nowMs(db));
      const row = await db
        .selectFrom('budgets')
        .select(['spent_nano_usd as spent', 'reserved_nano_usd as reserved'])
        .where('scope', '=', dayScope(day))
        .executeTakeFirst();
      return { day, spentNanoUsd: exactInteger(row?.spent ?? 0), reservedNanoUsd: exactInteger(row?.reserved ?? 0) };
    });
  }
}

function entriesOf(db: LedgerDatabase, rollout: string) {
  return db
    .selectFrom('rollout_audit')
    .select([...decisionColumns, 'entry'])
    .where('rollout', '=', rollout);
}
