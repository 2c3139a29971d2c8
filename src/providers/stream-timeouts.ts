import type { StreamLimits } from '../contract/policy';
import type { ExchangeControl } from './exchange';
import { PauseTolerantTimer } from './pause-tolerant-timer';

/** If usage and `[DONE]` follow a finish reason at all, they do so within milliseconds. */
const graceAfterFinishMs = 1_000;

/** Aborts a streamed call that is silent for too long, and ends it when nothing follows its finish reason. */
export class StreamTimeouts {
  private readonly headers = new PauseTolerantTimer();
  /** Limits the wait for the first token, then for each next token, then for what may follow the last. */
  private readonly next = new PauseTolerantTimer();
  private hasToken = false;

  constructor(
    private readonly limits: StreamLimits,
    private readonly control: ExchangeControl,
  ) {}

  sent(): void {
    this.limit(this.headers, 'firstByteMs');
    this.limit(this.next, 'firstTokenMs');
  }

  head(): void {
    this.headers.clear();
  }

  token(): void {
    if (this.hasToken) this.next.restart();
    else this.limit(this.next, 'idleMs');
    this.hasToken = true;
  }

  finished(): void {
    this.next.start(graceAfterFinishMs, () => this.control.finish(0));
  }

  stop(): void {
    this.headers.clear();
    this.next.clear();
  }

  private limit(timer: PauseTolerantTimer, limit: Exclude<keyof StreamLimits, 'totalMs'>): void {
    const limitMs = this.limits[limit];
    timer.start(limitMs, () => this.control.abort({ kind: 'stalled', limit, limitMs }));
  }
}
