import type { StreamLimits } from '../contract/policy';
import type { ExchangeControl } from './body-reader';

/** Usage and `[DONE]` follow a finish reason within milliseconds, where they follow at all. */
const graceAfterFinishMs = 1_000;

/** Breaks a streamed call off when it is silent for too long, and ends it when nothing comes after its finish reason. */
export class StreamWatch {
  private firstByte: NodeJS.Timeout | undefined;
  /** Of the first token, then from token to token, then of what may follow the last. */
  private next: NodeJS.Timeout | undefined;
  private hasToken = false;

  constructor(
    private readonly limits: StreamLimits,
    private readonly control: ExchangeControl,
  ) {}

  sent(): void {
    this.firstByte = this.limitTimer('firstByteMs');
    this.next = this.limitTimer('firstTokenMs');
  }

  head(): void {
    clearTimeout(this.firstByte);
  }

  token(): void {
    if (this.hasToken) {
      this.next?.refresh();
      return;
    }
    this.hasToken = true;
    clearTimeout(this.next);
    this.next = this.limitTimer('idleMs');
  }

  finished(): void {
    clearTimeout(this.next);
    this.next = setTimeout(() => this.control.finish(), graceAfterFinishMs);
  }

  stop(): void {
    clearTimeout(this.firstByte);
    clearTimeout(this.next);
  }

  private limitTimer(limit: Exclude<keyof StreamLimits, 'totalMs'>): NodeJS.Timeout {
    const limitMs = this.limits[limit];
    return setTimeout(() => this.control.breakOff({ kind: 'stalled', limit, limitMs }), limitMs);
  }
}
