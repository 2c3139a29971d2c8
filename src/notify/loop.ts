import { setTimeout as sleep } from 'node:timers/promises';

/** Does something again and again until it is stopped. An error ends the round and not the loop. */
export class Loop {
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(
    private readonly everyMs: number,
    private readonly round: (stopping: AbortSignal) => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {
    this.running = this.run();
  }

  /** Resolves once the round that runs has ended. */
  stop(): Promise<void> {
    this.stopping.abort();
    return this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.round(signal).catch(this.onError);
      await sleep(this.everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}
