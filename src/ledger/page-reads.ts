import type {
  ArmTraffic,
  DecisionEntry,
  DecisionRow,
  PageReads,
  RolloutStart,
  SessionFacts,
  SpendingOfToday,
  TargetState,
  TargetTraffic,
  Verification,
} from '../contract/page-ledger';
import type { AuditRow } from '../contract/rollout-ledger';
import { auditRowsAfter } from './audit-trail';
import type { LedgerDatabase, Runner } from './schema';
import { readSession } from './session-facts';
import { readSpendingOfToday } from './spending-of-today';
import { padded } from './statement-sizes';
import { readTargetStates, readVerification } from './told-by-workers';
import { OpenSlices, readRecentTargets, readTraffic } from './traffic-reads';

const decisionColumns = ['position', 'sequence', 'at_ms as atMs', 'actor', 'action', 'reason'] as const;

export class SqlPageReads implements PageReads {
  private readonly open: OpenSlices;

  constructor(private readonly run: Runner) {
    this.open = new OpenSlices(run);
  }

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

  auditRowsAfter(position: number, limit: number): Promise<readonly AuditRow[]> {
    return this.run.read((db) => auditRowsAfter(db, position, limit));
  }

  spendingOfToday(): Promise<SpendingOfToday> {
    return readSpendingOfToday(this.run, this.open);
  }

  traffic(rollout: string, hours: number, fromMs = 0): Promise<readonly ArmTraffic[]> {
    return readTraffic(this.open, rollout, { fromMs, hours });
  }

  recentTargets(): Promise<readonly TargetTraffic[]> {
    return readRecentTargets(this.run, this.open);
  }

  session(sessionId: string): Promise<SessionFacts> {
    return this.run.read((db) => readSession(db, sessionId));
  }

  targetStates(): Promise<readonly TargetState[]> {
    return this.run.read((db) => readTargetStates(db));
  }

  verification(): Promise<Verification | null> {
    return this.run.read((db) => readVerification(db));
  }
}

function entriesOf(db: LedgerDatabase, rollout: string) {
  return db
    .selectFrom('rollout_audit')
    .select([...decisionColumns, 'entry'])
    .where('rollout', '=', rollout);
}
