import { ApplicationFailure } from '@temporalio/activity';
import { failureTypes } from '../contract/failures';
import type { Policy } from '../contract/policy';
import type { Evidence, RecordedRollout, RolloutEntry } from '../contract/rollout';
import { type EvidenceRequest, RolloutConflictError } from '../contract/rollout-ledger';
import { refusedRollout } from '../domain/rollout/begin-rollout';
import type { ActivityDependencies } from './dependencies';

/** What a rollout needs of the ledger. Both may be repeated. */
export function createRolloutActivities({ ledger, policy }: Pick<ActivityDependencies, 'ledger' | 'policy'>) {
  async function record(entry: RolloutEntry): Promise<RecordedRollout> {
    try {
      return await ledger.rollouts.record(entry, policy.defaultArm);
    } catch (error) {
      if (!(error instanceof RolloutConflictError)) throw error;
      throw ApplicationFailure.nonRetryable(error.message, failureTypes.rolloutRefused);
    }
  }

  return {
    /** What is known of both arms now. */
    async observeRollout(request: Omit<EvidenceRequest, 'atMs'>): Promise<Evidence> {
      return ledger.rollouts.evidence({ ...request, atMs: Date.now() });
    },

    /** Writes a decision to the audit trail and sets the split; see `Rollouts.record`. */
    async recordRollout(entry: RolloutEntry): Promise<RecordedRollout> {
      const refusal = unknownArm(policy, entry);
      // An arm that is unknown here keeps no rollout from beginning that has begun: the worker that wrote it may be dead.
      if (refusal === null || (await hasBegun(entry))) return record(entry);
      return refusal;
    },
  };

  async function hasBegun({ spec, decision }: RolloutEntry): Promise<boolean> {
    return decision.next.sequence > 1 || (await ledger.rollouts.lastAuditRow(spec.name)) !== null;
  }
}

/** Turns of an arm that this worker does not have would all go to the default arm. */
function unknownArm(policy: Policy, { spec }: RolloutEntry): RecordedRollout | null {
  const field = (['baselineArm', 'canaryArm'] as const).find((key) => !Object.hasOwn(policy.arms, spec[key]));
  if (field === undefined) return null;
  const missingAddress =
    spec[field] === 'legacy' ? '. The legacy arm is there once LEGACY_BASE_URL says where its provider is' : '';
  return refusedRollout({
    path: [field],
    code: 'unknown-reference',
    message: `no arm named "${spec[field]}" is configured on this worker; there are: ${Object.keys(policy.arms).join(', ')}${missingAddress}`,
  });
}
