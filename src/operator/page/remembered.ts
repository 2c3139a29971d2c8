import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';

/**
 * The result of a read that costs too much to repeat for every page. It is read again once it is older than `forMs`; whoever
 * asks meanwhile gets the one before, but the first one waits. A read that fails is told to those who wait for it.
 */
export class Remembered<Value> {
  private known: { readonly value: Value; readonly atMs: number } | undefined;
  private reading: Promise<Value> | undefined;

  constructor(
    private readonly forMs: number,
    private readonly read: () => Promise<Value>,
  ) {}

  get(): Promise<Value> {
    const { known } = this;
    if (known !== undefined && performance.now() - known.atMs < this.forMs) return Promise.resolve(known.value);
    this.reading ??= this.readAgain().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async readAgain(): Promise<Value> {
    // SQLite works inside this process: several reads in a row would stop it for the time of all of them.
    await nextTurnOfEventLoop();
    const value = await this.read();
    this.known = { value, atMs: performance.now() };
    return value;
  }
}
