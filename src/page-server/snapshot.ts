import { createHash } from 'node:crypto';
import type { PageData, PageViewer } from '../contract/page';

/** What the page shows at one moment, serialised once for all viewers. */
export class PageSnapshot {
  /** Of what is shown, without the times that change with every reading. */
  readonly hash: string;
  /** Of the last audit row; 0 without one. */
  readonly position: number;
  readonly atMs: number;
  /** Everything after the viewer. */
  private readonly rest: string;

  constructor({ viewer: _viewer, ...data }: PageData) {
    this.atMs = data.atMs;
    this.position = data.rollout?.audit.head.position ?? 0;
    this.hash = createHash('sha256')
      .update(JSON.stringify(withoutTimes(data)))
      .digest('base64url');
    this.rest = `,${JSON.stringify(data).slice(1)}`;
  }

  /** The `PageData` of one viewer. */
  jsonFor(viewer: PageViewer): string {
    return beginningOf(viewer) + this.rest;
  }

  /** The same as a server-sent event, in two parts of which the second, long one is the same for all. */
  eventFor(viewer: PageViewer): readonly [string, Buffer] {
    this.shared ??= Buffer.from(`${this.rest}\n\n`);
    return [`id: ${this.position}\nevent: data\ndata: ${beginningOf(viewer)}`, this.shared];
  }

  private shared: Buffer | undefined;
}

/** Everybody sees the same but for this. */
function beginningOf(viewer: PageViewer): string {
  return `{"viewer":${JSON.stringify(viewer)}`;
}

function withoutTimes({ atMs: _atMs, rollout, ...rest }: Omit<PageData, 'viewer'>): object {
  if (rollout === null) return rest;
  const { dataAgeMs: _dataAgeMs, trafficSinceMs: _trafficSinceMs, ...now } = rollout.now;
  return { ...rest, rollout: { ...rollout, now } };
}
