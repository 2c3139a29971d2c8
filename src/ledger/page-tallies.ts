import type { PageTallies, TargetState, Verification } from '../contract/page-ledger';
import type { Runner } from './schema';
import { tallyTraffic } from './tally-traffic';
import { claimVerification, keepVerification, writeTargetStates } from './told-by-workers';

export class SqlPageTallies implements PageTallies {
  constructor(private readonly run: Runner) {}

  tallyTraffic(budgetMs: number, atMs?: number): Promise<void> {
    return tallyTraffic(this.run, budgetMs, atMs);
  }

  writeTargetStates(worker: string, states: readonly TargetState[], atMs?: number): Promise<void> {
    return this.run.change((trx) => writeTargetStates(trx, worker, states, atMs));
  }

  claimVerification(): Promise<boolean> {
    return this.run.change((trx) => claimVerification(trx));
  }

  keepVerification(verification: Omit<Verification, 'atMs'>): Promise<void> {
    return this.run.change((trx) => keepVerification(trx, verification));
  }
}
