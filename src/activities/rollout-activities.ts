import { ApplicationFailure } from '@temporalio/activity';
import { failureTypes } from '../contract/failures';
import type { Policy } from '../contract/policy';
import type { Evidence, RecordedRollout, RolloutEntry } from '../contract/rollout';
import { type EvidenceRequest, LedgerBehindError, RolloutConflictError } from '../contract/rollout-ledger';
import type { FrozenLimits, UserEvidence, UserEvidenceRequest } from '../contract/user-evidence';
import { refusedRollout } from '../domain/rollout/begin-rollout';
import type { ActivityDependencies } from './dependencies';

const dayMs = 24 * 60 * 60 * 1000;

/** A rollout's access to the ledger. All activities are idempotent. */
export function createRolloutActivities(dependencies: Pick<ActivityDependencies, 'ledger' | 'policy' | 'versions'>) {
  const { ledger } = dependencies;
  const policyNow = () => dependencies.versions?.current.policy ?? dependencies.policy;

  async function record(entry: RolloutEntry): Promise<RecordedRollout> {
    try {
      return await ledger.rollouts.record(entry, policyNow().defaultArm);
    } catch (error) {
      if (error instanceof LedgerBehindError) {
        throw ApplicationFailure.retryable(error.message, failureTypes.ledgerBehind);
      }
      if (!(error instanceof RolloutConflictError)) throw error;
      throw ApplicationFailure.nonRetryable(error.message, failureTypes.rolloutRefused);
    }
  }

  return {
    /** Reads the current evidence on both arms. */
    async observeRollout(request: Omit<EvidenceRequest, 'atMs'>): Promise<Evidence> {
      return ledger.rollouts.evidence(request);
    },

    /** The same under rule 2, which counts users. */
    async observeUsers(request: UserEvidenceRequest): Promise<UserEvidence> {
      return ledger.rollouts.userEvidence(request);
    },

    /** How fast the baseline has been in the last day: the latency limits of a rollout's first bake. */
    async measureBaseline(baselineArm: string): Promise<FrozenLimits> {
      const toMs = await ledger.rollouts.nowMs();
      return ledger.rollouts.baselineLimits({ baselineArm, fromMs: toMs - dayMs, toMs });
    },

    /** Writes a decision to the audit trail and sets the split; see `Rollouts.record`. */
    async recordRollout(entry: RolloutEntry): Promise<RecordedRollout> {
      const refusal = unknownArm(policyNow(), entry);
      // A rollout whose first entry is already recorded has started, even if this worker does not know its arm: the worker that recorded it may have died before reporting back.
      if (refusal === null || (await hasStarted(entry))) return record(entry);
      return refusal;
    },
  };

  async function hasStarted({ spec, decision }: RolloutEntry): Promise<boolean> {
    return decision.next.sequence > 1 || (await ledger.rollouts.lastAuditRow(spec.name)) !== null;
  }
}

/** Refuses arms that this worker does not have: all their turns would go to the default arm. */
function unknownArm(policy: Policy, { spec }: RolloutEntry): RecordedRollout | null {
  const field = (['baselineArm', 'canaryArm'] as const).find((key) => !Object.hasOwn(policy.arms, spec[key]));
  if (field === undefined) return null;
  const missingAddress =
    spec[field] === 'legacy' ? '. Set LEGACY_BASE_URL to the URL of its provider to get the legacy arm' : '';
  return refusedRollout({
    path: [field],
    code: 'unknown-reference',
    message: `no arm named "${spec[field]}" is configured on this worker; it has: ${Object.keys(policy.arms).join(', ')}${missingAddress}`,
  });
}
