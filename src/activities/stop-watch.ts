import { setTimeout as delay } from 'node:timers/promises';
import type { TurnStops } from '../contract/turn-stops';

/** A stop is noticed within this time, well within the second that a user takes for "at once". One statement for all turns. */
const lookEveryMs = 250;

interface WatchedTurn {
  readonly stop: AbortController;
  /** Steps of the turn under way in this process. */
  steps: number;
}

/**
 * Looks for stops of the turns that this process is working on. A local activity holds its workflow's task, so that no
 * signal reaches the workflow meanwhile; the ledger is the way around. Nothing is asked while no turn is under way.
 */
export class StopWatch {
  private readonly watched = new Map<string, WatchedTurn>();
  private isLooking = false;

  constructor(private readonly stops: Pick<TurnStops, 'among'>) {}

  /** `stop` is aborted when somebody stops the turn. */
  async during<Result>(turnName: string, step: (stop: AbortSignal) => Promise<Result>): Promise<Result> {
    const turn = this.watched.get(turnName) ?? { stop: new AbortController(), steps: 0 };
    this.watched.set(turnName, turn);
    turn.steps += 1;
    if (!this.isLooking) void this.look();
    try {
      return await step(turn.stop.signal);
    } finally {
      turn.steps -= 1;
      if (turn.steps === 0) this.watched.delete(turnName);
    }
  }

  /** While the ledger does not answer, nothing is stopped: a call also has limits of its own. */
  private async look(): Promise<void> {
    this.isLooking = true;
    for (;;) {
      await delay(lookEveryMs, undefined, { ref: false });
      if (this.watched.size === 0) break;
      const stopped = await this.stops.among([...this.watched.keys()]).catch(() => []);
      for (const turnName of stopped) this.watched.get(turnName)?.stop.abort(new Error('the turn was stopped'));
    }
    this.isLooking = false;
  }
}
