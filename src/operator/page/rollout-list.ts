import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';
import type { RolloutListing } from '../../contract/page';
import type { PageReads } from '../../contract/page-ledger';
import type { TrafficSplit } from '../../contract/rollout';
import type { Rollouts } from '../../contract/rollout-ledger';
import { findRollout, type KnownRollout } from '../trail';
import { phaseShown } from '../view';

const maxRollouts = 100;

/** The rollouts of a ledger, the newest first. The last decision of those that have ended is read once. */
export class RolloutList {
  private ended = new Map<string, KnownRollout>();
  private seen: { readonly position: number; readonly list: readonly KnownRollout[] } | undefined;

  constructor(
    private readonly rollouts: Rollouts,
    private readonly reads: PageReads,
  ) {}

  /** @param position of the last row of the whole trail: without a new row, nothing is read */
  async read(position: number, split: TrafficSplit | null): Promise<readonly RolloutListing[]> {
    if (this.seen?.position !== position) this.seen = { position, list: await this.readList() };
    return this.seen.list.map((known) => listing(known, split));
  }

  private async readList(): Promise<readonly KnownRollout[]> {
    const list: KnownRollout[] = [];
    for (const { rollout } of await this.reads.rolloutStarts(maxRollouts)) {
      const known = this.ended.get(rollout);
      list.push(known ?? (await findRollout(this.rollouts, rollout)));
      if (known === undefined) await nextTurnOfEventLoop();
    }
    const ended = list.filter(({ state }) => state.endedAtMs !== null);
    this.ended = new Map(ended.map((known) => [known.spec.name, known]));
    return list;
  }
}

function listing({ spec, state }: KnownRollout, split: TrafficSplit | null): RolloutListing {
  return {
    name: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    phase: phaseShown({ spec, state, split }),
    percent: state.percent,
    startedAtMs: state.startedAtMs,
    endedAtMs: state.endedAtMs,
    message: state.message,
  };
}
