import type { KeyRing } from '../contract/key-ring';
import type { AuditHead, Evidence, RecordedRollout, RolloutEntry, TrafficSplit } from '../contract/rollout';
import { nowMs } from './clock';
import { armTotals, evidence, failures, observedTraffic, spending } from './evidence';
import { auditTrail, lastAuditRow, recordEntry } from './audit-trail';
import type {
  ArmTotals,
  AuditRow,
  BaselineLimitsRequest,
  EvidenceRequest,
  FailureCount,
  FeedbackCount,
  ObservedTraffic,
  Rollouts,
  Spending,
} from '../contract/rollout-ledger';
import type { FrozenLimits, UserEvidence, UserEvidenceRequest } from '../contract/user-evidence';
import { countUsers, countUsersOf, exclude } from './count-users';
import { feedbackOn } from './feedback';
import type { Runner } from './schema';
import { readHead, readSplit } from './traffic-split';
import { readBaselineLimits, readUserEvidence } from './user-evidence';

export class SqlRollouts implements Rollouts {
  constructor(
    private readonly run: Runner,
    private readonly auditKeys: KeyRing | undefined,
  ) {}

  split(): Promise<TrafficSplit | null> {
    return this.run.read((db) => readSplit(db));
  }

  evidence(request: EvidenceRequest): Promise<Evidence> {
    return this.run.read((db) => evidence(db, request));
  }

  async userEvidence(request: UserEvidenceRequest): Promise<UserEvidence> {
    const { rollout, excluded, atMs } = request;
    await exclude(this.run, rollout, excluded);
    await countUsersOf(this.run, rollout, atMs);
    return this.countedUserEvidence(request);
  }

  countedUserEvidence(request: UserEvidenceRequest): Promise<UserEvidence> {
    return this.run.read((db) => readUserEvidence(db, request));
  }

  countUsers(atMs?: number): Promise<number> {
    return countUsers(this.run, atMs);
  }

  baselineLimits(request: BaselineLimitsRequest): Promise<FrozenLimits> {
    return this.run.read((db) => readBaselineLimits(db, request));
  }

  nowMs(): Promise<number> {
    return this.run.read((db) => nowMs(db));
  }

  record(entry: RolloutEntry, defaultArm: string): Promise<RecordedRollout> {
    return this.run.change((trx) => recordEntry(trx, entry, defaultArm, this.auditKeys));
  }

  recordBoth(first: RolloutEntry, second: RolloutEntry, defaultArm: string): Promise<RecordedRollout> {
    return this.run.change(async (trx) => {
      const recorded = await recordEntry(trx, first, defaultArm, this.auditKeys);
      return recorded.kind === 'refused' ? recorded : recordEntry(trx, second, defaultArm, this.auditKeys);
    });
  }

  auditTrail(rollout?: string): Promise<readonly AuditRow[]> {
    return this.run.read((db) => auditTrail(db, rollout));
  }

  lastAuditRow(rollout?: string): Promise<AuditRow | null> {
    return this.run.read((db) => lastAuditRow(db, rollout));
  }

  auditHead(): Promise<AuditHead | null> {
    return this.run.read((db) => readHead(db));
  }

  traffic(sinceMs: number, untilMs?: number): Promise<readonly ObservedTraffic[]> {
    return this.run.read((db) => observedTraffic(db, sinceMs, untilMs));
  }

  armTotals(rollout: string): Promise<readonly ArmTotals[]> {
    return this.run.read((db) => armTotals(db, rollout));
  }

  failures(rollout: string): Promise<readonly FailureCount[]> {
    return this.run.read((db) => failures(db, rollout));
  }

  feedback(rollout: string): Promise<readonly FeedbackCount[]> {
    return this.run.read((db) => feedbackOn(db, rollout));
  }

  spending(rollout: string): Promise<readonly Spending[]> {
    return this.run.read((db) => spending(db, rollout));
  }
}
