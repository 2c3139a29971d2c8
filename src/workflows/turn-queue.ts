import { sleep } from '@temporalio/workflow';
import { TurnStop } from './turn-stop';

export interface QueuedTurn {
  readonly turnId: string;
  readonly stop: TurnStop;
  /** Resolves when all earlier turns have ended, or when the turn is stopped: it then ends without a call. */
  readonly mayBegin: Promise<void>;
}

interface Entry extends QueuedTurn {
  readonly begin: () => void;
}

/** The unfinished turns of a conversation. One runs at a time, in order. */
export class TurnQueue {
  private entries: readonly Entry[] = [];

  get size(): number {
    return this.entries.length;
  }

  enter(turnId: string): QueuedTurn {
    let begin!: () => void;
    const mayBegin = new Promise<void>((resolve) => (begin = resolve));
    const entry = { turnId, stop: new TurnStop(), mayBegin, begin };
    this.entries = [...this.entries, entry];
    this.entries[0]?.begin();
    return entry;
  }

  leave(turn: QueuedTurn): void {
    this.entries = this.entries.filter((entry) => entry !== turn);
    this.entries[0]?.begin();
  }

  before(turn: QueuedTurn): readonly QueuedTurn[] {
    return this.entries.slice(
      0,
      this.entries.findIndex((entry) => entry === turn),
    );
  }

  stop(turnId: string): void {
    for (const entry of this.entries.filter((each) => each.turnId === turnId)) {
      entry.stop.ask();
      entry.begin();
    }
  }

  /**
   * Lets the workflow hear what was sent to it while a stopped turn's call held its task, such as the stop of the next turn,
   * before that one begins.
   */
  async hearFirst(): Promise<void> {
    if (this.entries.length > 1) await sleep(1);
  }
}
