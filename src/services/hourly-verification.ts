import type { KeyRing } from '../contract/key-ring';
import type { Ledger } from '../contract/ledger';
import { verifyInSteps } from '../operator/verify-in-steps';

const hourMs = 60 * 60 * 1000;
/** Between two verifications of the whole trail, only the rows that have come since are verified. */
const wholeEveryMs = 24 * hourMs;

/** Verifies the audit trail about once an hour: the ledger's database lets one of the workers do it. */
export class HourlyVerification {
  private wholeAtMs = -Infinity;
  private isRunning = false;

  constructor(
    private readonly ledger: Pick<Ledger, 'rollouts' | 'page' | 'tallies'>,
    private readonly keys: KeyRing | undefined,
  ) {}

  /** Does nothing before an hour has passed. */
  async verifyIfDue(): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    try {
      const { rollouts, page, tallies } = this.ledger;
      const before = await page.verification();
      const nowMs = await rollouts.nowMs();
      if (before !== null && Math.abs(nowMs - before.atMs) < hourMs) return;
      if (!(await tallies.claimVerification())) return;
      const isWhole = before === null || !before.isIntact || nowMs - this.wholeAtMs >= wholeEveryMs;
      await tallies.keepVerification(await verifyInSteps(this.ledger, this.keys, isWhole ? 0 : before.position));
      if (isWhole) this.wholeAtMs = nowMs;
    } finally {
      this.isRunning = false;
    }
  }
}
