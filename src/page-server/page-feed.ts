import { setTimeout as delay } from 'node:timers/promises';
import type { PageProblem } from '../contract/page';
import type { PageSnapshot } from './snapshot';
import type { ViewerStream } from './viewer-stream';

export interface PageFeedOptions {
  readonly read: () => Promise<PageSnapshot>;
  readonly pollMs: number;
  readonly problemOf: (error: unknown) => PageProblem;
}

/** However long a reading takes, the ledger rests four times as long. */
const restPerReading = 4;

/** What the page shows of one rollout: read once for all its viewers, and not at all while there is none. */
export class PageFeed {
  private readonly viewers = new Set<ViewerStream>();
  private newest: PageSnapshot | null = null;
  private newestAtMs = -Infinity;
  private reading: Promise<PageSnapshot> | null = null;
  /** The API key that asked for the reading; null if it is for the viewers. */
  private readingForKeyId: string | null = null;
  private isPolling = false;

  constructor(private readonly options: PageFeedOptions) {}

  get isIdle(): boolean {
    return this.viewers.size === 0 && this.reading === null;
  }

  /** Whether the ledger is read because of this key. */
  isUsedBy(keyId: string): boolean {
    if (this.readingForKeyId === keyId) return true;
    for (const { loggedIn } of this.viewers) if (loggedIn.key.id === keyId) return true;
    return false;
  }

  /** No older than one interval. */
  async latest(keyId: string): Promise<PageSnapshot> {
    const isRecent = performance.now() - this.newestAtMs < this.options.pollMs;
    return this.newest !== null && isRecent ? this.newest : this.read(keyId);
  }

  /** Sends `snapshot`, which is the latest, and then whatever is newer. */
  add(viewer: ViewerStream, snapshot: PageSnapshot): void {
    viewer.show(snapshot);
    this.viewers.add(viewer);
    if (!this.isPolling) void this.poll();
  }

  remove(viewer: ViewerStream): void {
    this.viewers.delete(viewer);
  }

  private async poll(): Promise<void> {
    this.isPolling = true;
    const { pollMs } = this.options;
    let restMs = pollMs;
    while (this.viewers.size > 0) {
      await delay(restMs, undefined, { ref: false });
      if (this.viewers.size === 0) break;
      const startedAtMs = performance.now();
      await this.publish();
      const tookMs = performance.now() - startedAtMs;
      restMs = Math.max(pollMs - tookMs, restPerReading * tookMs);
    }
    this.isPolling = false;
  }

  private async publish(): Promise<void> {
    try {
      const snapshot = await this.read(null);
      for (const viewer of this.viewers) viewer.show(snapshot);
    } catch (error) {
      const problem = this.options.problemOf(error);
      for (const viewer of this.viewers) viewer.tell(problem);
    }
  }

  /** Whoever asks while the ledger is being read gets that reading. */
  private read(keyId: string | null): Promise<PageSnapshot> {
    if (this.reading !== null) return this.reading;
    this.readingForKeyId = keyId;
    this.reading = this.options
      .read()
      .then((snapshot) => {
        this.newest = snapshot;
        this.newestAtMs = performance.now();
        return snapshot;
      })
      .finally(() => {
        this.reading = null;
        this.readingForKeyId = null;
      });
    return this.reading;
  }
}
