import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';

/** In multiples of its time, the age up to which a result is still given to those who ask while it is read again. */
const oldestShown = 4;

/**
 * The result of a read that costs too much to repeat for every page. It is read again once it is older than `forMs`. The first
 * one who asks then waits; the others get the result before, unless it is far too old. A read that fails is told to those who
 * wait for it.
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
    const shownForMs = this.reading === undefined ? this.forMs : oldestShown * this.forMs;
    if (known !== undefined && performance.now() - known.atMs < shownForMs) return Promise.resolve(known.value);
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
