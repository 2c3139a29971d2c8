import { CancellationScope, defineSignal, proxyLocalActivities, setHandler } from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import { stopTurnSignal } from '../contract/names';
import type { StopInput } from '../contract/turn';
import type { TurnState } from '../contract/turn-stops';

/** The ledger itself retries for 30 s when its database is unavailable. */
const { askToStop } = proxyLocalActivities<Activities>({ startToCloseTimeout: '40 seconds' });

/**
 * Takes the request to stop a turn to the ledger, where the worker that makes the turn's call looks: clients have no access
 * to it, and the turn's own workflow hears nothing while a call runs inside its task.
 */
export function turnStop(input: StopInput): Promise<TurnState> {
  return askToStop(input);
}

export const stopTurn = defineSignal<[turnId: string]>(stopTurnSignal);

/** For a workflow that is one turn. */
export function stopBySignal(): TurnStop {
  const stop = new TurnStop();
  setHandler(stopTurn, () => stop.ask());
  return stop;
}

/** Whether somebody has stopped a turn, as far as its workflow has heard, and the waits that this ends. */
export class TurnStop {
  private asked = false;
  private readonly waits = new Set<CancellationScope>();

  get isAsked(): boolean {
    return this.asked;
  }

  ask(): void {
    this.asked = true;
    for (const wait of this.waits) wait.cancel();
  }

  /** Runs a timer or a regular activity, which a stop cancels. */
  async over<Result>(wait: () => Promise<Result>): Promise<Result> {
    const scope = new CancellationScope();
    this.waits.add(scope);
    try {
      return await scope.run(wait);
    } finally {
      this.waits.delete(scope);
    }
  }
}
