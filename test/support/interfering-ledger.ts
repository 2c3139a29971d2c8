import type { Ledger } from '../../src/contract/ledger';
import type { CompletionRequest } from '../../src/contract/provider';
import type { Rollouts } from '../../src/contract/rollout-ledger';

/** What happens to a worker just before and after it reads or writes for a rollout. */
export interface Interference {
  before?: ((step: 'evidence' | 'record') => Promise<void> | void) | undefined;
  /** The ledger has done it, but the worker does not know yet. */
  after?: ((step: 'evidence' | 'record') => Promise<void> | void) | undefined;
  /** The worker is about to make this call. */
  calls?: (request: CompletionRequest) => void;
}

/** A real ledger with hooks before and after its steps. */
export function interferingLedger(ledger: Ledger, { before, after }: Interference): Ledger {
  const around = async <T>(step: 'evidence' | 'record', work: () => Promise<T>): Promise<T> => {
    await before?.(step);
    const done = await work();
    await after?.(step);
    return done;
  };
  const evidence: Rollouts['evidence'] = (request) => around('evidence', () => ledger.rollouts.evidence(request));
  const userEvidence: Rollouts['userEvidence'] = (request) =>
    around('evidence', () => ledger.rollouts.userEvidence(request));
  const record: Rollouts['record'] = (...entry) => around('record', () => ledger.rollouts.record(...entry));
  const rollouts = Object.create(ledger.rollouts, {
    evidence: { value: evidence },
    userEvidence: { value: userEvidence },
    record: { value: record },
  }) as Rollouts;
  return Object.create(ledger, { rollouts: { value: rollouts } }) as Ledger;
}
