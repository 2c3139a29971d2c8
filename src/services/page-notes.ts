import type { Ledger } from '../contract/ledger';
import type { TargetState } from '../contract/page-ledger';

/** Of the 5 seconds between two notes: a worker's turns come first. */
const tallyBudgetMs = 250;
/** A worker that has said nothing for 30 s counts as ended. */
const repeatEveryNotes = 3;

/** What a worker writes for the operator's page, every few seconds. */
export class PageNotes {
  private told = '';
  private untold = 0;

  constructor(
    private readonly ledger: Pick<Ledger, 'tallies'>,
    private readonly worker: string,
    private readonly seenTargets: () => readonly TargetState[],
  ) {}

  async write(): Promise<void> {
    await this.tellTargets();
    await this.ledger.tallies.tallyTraffic(tallyBudgetMs);
  }

  /** Their states when one changes, and in any case often enough to be known to live. */
  private async tellTargets(): Promise<void> {
    const targets = this.seenTargets();
    const states = JSON.stringify(targets.map(({ provider, model, state }) => [provider, model, state]));
    this.untold += 1;
    if (targets.length === 0 || (states === this.told && this.untold < repeatEveryNotes)) return;
    await this.ledger.tallies.writeTargetStates(this.worker, targets);
    this.told = states;
    this.untold = 0;
  }
}
