import type { StreamLimits } from '../contract/policy';
import type { ExchangeControl } from './exchange';
import { PauseTolerantTimer } from './pause-tolerant-timer';

/** If usage and `[DONE]` follow a finish reason at all, they do so within milliseconds. */
const graceAfterFinishMs = 1_000;

/** How long to wait after a finish reason that may not be the last one, if silence has no limit. */
const graceAfterPossibleFinishMs = 10_000;

/**
 * Aborts a streamed call that is silent for too long, and ends it when nothing follows its finish reason. Without limits, it only
 * does the latter.
 */
export class StreamTimeouts {
  private readonly headers = new PauseTolerantTimer();
  /** Limits the wait for the first token, then for each next token, then for what may follow the last. */
  private readonly next = new PauseTolerantTimer();
  private isIdleLimit = false;

  constructor(
    private readonly limits: StreamLimits | null,
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
    if (this.isIdleLimit) this.next.restart();
    else this.limit(this.next, 'idleMs');
    this.isIdleLimit = true;
  }

  finished(): void {
    this.endAfter(graceAfterFinishMs);
  }

  /**
   * A provider that sends a finish reason together with text may do so in every event; more text may then take as long as
   * usual.
   */
  perhapsFinished(): void {
    this.endAfter(this.limits?.idleMs ?? graceAfterPossibleFinishMs);
  }

  stop(): void {
    this.headers.clear();
    this.next.clear();
  }

  private endAfter(graceMs: number): void {
    this.isIdleLimit = false;
    this.next.start(graceMs, () => this.control.finish(0));
  }

  private limit(timer: PauseTolerantTimer, limit: Exclude<keyof StreamLimits, 'totalMs'>): void {
    timer.clear();
    if (this.limits === null) return;
    const limitMs = this.limits[limit];
    timer.start(limitMs, () => this.control.abort({ kind: 'stalled', limit, limitMs }));
  }
}
