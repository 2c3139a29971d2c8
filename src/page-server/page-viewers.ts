import type { FastifyBaseLogger } from 'fastify';
import type { PageProblem } from '../contract/page';
import { PageError } from './page-error';
import { PageFeed } from './page-feed';
import type { LoggedIn, Sessions } from './sessions';
import type { PageSnapshot } from './snapshot';
import type { ViewerStream } from './viewer-stream';

/** What one process serves to viewers; every number with its reason. */
export const viewerLimits = {
  /** As often as people look; a rollout changes in minutes. */
  pollMs: 1_000,
  /** A revoked key's streams end within this time. It costs two small queries. */
  checkMs: 1_000,
  /** Proxies end connections that are silent for 30 s and longer. */
  beatMs: 10_000,
  /** Longer than a laptop's change of network. */
  maxBehindMs: 30_000,
  /** Ten teams with the page on every screen. Each takes a connection, and up to 2 MB if it does not read. */
  maxViewers: 500,
  /** Each rollout that is looked at is read for itself. */
  maxRollouts: 20,
} as const;

export interface PageViewersOptions {
  readonly sessions: Pick<Sessions, 'stillValid'>;
  readonly read: (rollout: string | undefined) => Promise<PageSnapshot>;
  readonly problemOf: (error: unknown) => PageProblem;
  readonly limits: Readonly<Record<keyof typeof viewerLimits, number>>;
  readonly logger: FastifyBaseLogger;
}

const loggedOut: PageProblem = {
  code: 'logged_out',
  message: 'You are logged out: you logged out elsewhere, 12 hours are over, or the key was revoked. Log in again.',
};

const stopping: PageProblem = {
  code: 'gateway_stopping',
  message: 'This gateway is stopping. The page connects to another one, or to this one once it is back.',
};

/** Everybody who has the page open in front of this process. */
export class PageViewers {
  private readonly feeds = new Map<string, PageFeed>();
  private readonly viewers = new Set<ViewerStream>();
  private timers: readonly NodeJS.Timeout[] = [];
  private isClosed = false;
  private isChecking = false;

  constructor(private readonly options: PageViewersOptions) {}

  /** @throws {PageError} when there is no room for another viewer */
  requireRoom(): void {
    if (this.isClosed) throw new PageError(503, stopping.code, stopping.message, { 'retry-after': '1' });
    const { maxViewers } = this.options.limits;
    if (this.viewers.size < maxViewers) return;
    throw new PageError(
      503,
      'too_many_viewers',
      `${maxViewers} pages are open at this gateway, its limit, so this one is not updated by itself. Close pages that nobody looks at, or reload this one.`,
      { 'retry-after': '10' },
    );
  }

  /** The newest rollout, or the named one, as it is now. @throws {PageError} when too many rollouts are looked at */
  async latest(rollout: string | undefined): Promise<PageSnapshot> {
    return this.feedOf(rollout).latest();
  }

  /** From now on the viewer gets `snapshot`, which is the latest, and whatever comes after it. */
  add(viewer: ViewerStream, rollout: string | undefined, snapshot: PageSnapshot): void {
    const feed = this.feedOf(rollout);
    this.viewers.add(viewer);
    if (this.timers.length === 0) this.startTimers();
    feed.add(viewer, snapshot);
    viewer.onClose(() => {
      feed.remove(viewer);
      this.viewers.delete(viewer);
      if (this.viewers.size === 0) this.stopTimers();
    });
  }

  /** Ends the streams of a session that has logged out. */
  endSession({ session }: LoggedIn): void {
    this.endThose(({ loggedIn }) => loggedIn.session.idHash === session.idHash, loggedOut);
  }

  /** Ends all streams and takes no new ones. */
  close(): void {
    this.isClosed = true;
    this.endThose(() => true, stopping);
    this.stopTimers();
  }

  private feedOf(rollout = ''): PageFeed {
    const known = this.feeds.get(rollout);
    if (known !== undefined) return known;
    const { limits, read, problemOf } = this.options;
    if (this.feeds.size >= limits.maxRollouts) this.forgetIdleFeeds();
    if (this.feeds.size >= limits.maxRollouts) {
      const message = `${limits.maxRollouts} rollouts are being looked at here, the limit. Close the pages of old ones.`;
      throw new PageError(503, 'too_many_rollouts', message, { 'retry-after': '10' });
    }
    const name = rollout === '' ? undefined : rollout;
    const feed = new PageFeed({ read: () => read(name), pollMs: limits.pollMs, problemOf });
    this.feeds.set(rollout, feed);
    return feed;
  }

  private forgetIdleFeeds(): void {
    for (const [rollout, feed] of this.feeds) if (feed.isIdle) this.feeds.delete(rollout);
  }

  private startTimers(): void {
    const { checkMs, beatMs } = this.options.limits;
    this.timers = [
      setInterval(() => void this.check(), checkMs),
      setInterval(() => {
        for (const viewer of this.viewers) viewer.beat();
      }, beatMs),
    ];
  }

  private stopTimers(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
  }

  /** Ends the streams of sessions and keys that are no longer valid, and of viewers who have stopped reading. */
  private async check(): Promise<void> {
    if (this.isChecking) return;
    this.isChecking = true;
    try {
      const { sessions, limits } = this.options;
      for (const viewer of this.viewers) if (viewer.behindForMs() > limits.maxBehindMs) viewer.destroy();
      const checked = [...this.viewers];
      const valid = await sessions.stillValid(
        checked.map(({ loggedIn }) => loggedIn.session),
        Date.now(),
      );
      const hasEnded = new Set(checked.filter(({ loggedIn }) => !valid.has(loggedIn.session.idHash)));
      this.endThose((viewer) => hasEnded.has(viewer), loggedOut);
    } catch (err) {
      // Without the ledger there is nothing new to show either.
      this.options.logger.warn({ err }, 'the sessions of the page could not be checked');
    } finally {
      this.isChecking = false;
    }
  }

  private endThose(isMeant: (viewer: ViewerStream) => boolean, problem: PageProblem): void {
    for (const viewer of this.viewers) {
      if (isMeant(viewer)) viewer.end(problem);
    }
  }
}
