import type { StreamLimits } from '../contract/policy';
import type { ExchangeControl } from './exchange';
import { PauseTolerantTimer } from './pause-tolerant-timer';

/** Usage and `[DONE]` follow a finish reason within milliseconds, where they follow at all. */
const graceAfterFinishMs = 1_000;

/** Breaks a streamed call off when it is silent for too long, and ends it when nothing comes after its finish reason. */
export class StreamWatch {
  private readonly headers = new PauseTolerantTimer();
  /** Of the first token, then from token to token, then of what may follow the last. */
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
    timer.start(limitMs, () => this.control.breakOff({ kind: 'stalled', limit, limitMs }));
  }
}
