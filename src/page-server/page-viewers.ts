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
  /** Every screen of a team that shares one key. Nobody takes the room of all others with one key. */
  maxViewersOfKey: 20,
  /** Each rollout that is looked at is read for itself. The newest one has its place besides them. */
  maxRollouts: 20,
  /** Somebody who compares old rollouts. */
  maxRolloutsOfKey: 5,
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
  /** Of the newest rollout, whichever that is: it always has a place, because operators act on it. */
  private newest: PageFeed | null = null;
  /** Of rollouts that are looked at by name. */
  private readonly feeds = new Map<string, PageFeed>();
  private readonly viewers = new Set<ViewerStream>();
  private timers: readonly NodeJS.Timeout[] = [];
  private isClosed = false;
  private isChecking = false;

  constructor(private readonly options: PageViewersOptions) {}

  /** @throws {PageError} when there is no room for another viewer of the rollout */
  requireRoom(loggedIn: LoggedIn, rollout: string | undefined): void {
    if (this.isClosed) throw new PageError(503, stopping.code, stopping.message, { 'retry-after': '1' });
    const { maxViewers, maxViewersOfKey } = this.options.limits;
    if (this.viewers.size >= maxViewers) {
      throw tooManyViewers(`${maxViewers} pages are open at this gateway, its limit`);
    }
    const ofKey = [...this.viewers].filter((viewer) => viewer.loggedIn.key.id === loggedIn.key.id).length;
    if (ofKey >= maxViewersOfKey) {
      throw tooManyViewers(`${maxViewersOfKey} pages are open at this gateway with this API key, the limit of a key`);
    }
    this.feedFor(loggedIn, rollout);
  }

  /** The newest rollout, or the named one, as it is now. @throws {PageError} when too many rollouts are looked at */
  async latest(loggedIn: LoggedIn, rollout: string | undefined): Promise<PageSnapshot> {
    return this.feedFor(loggedIn, rollout).latest(loggedIn.key.id);
  }

  /** From now on the viewer gets `snapshot`, which is the latest, and whatever comes after it. Comes after `requireRoom`. */
  add(viewer: ViewerStream, rollout: string | undefined, snapshot: PageSnapshot): void {
    const feed = this.feedFor(viewer.loggedIn, rollout);
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

  private feedFor({ key }: LoggedIn, rollout: string | undefined): PageFeed {
    if (rollout === undefined) return (this.newest ??= this.createFeed(undefined));
    const { maxRollouts, maxRolloutsOfKey } = this.options.limits;
    const known = this.feeds.get(rollout);
    if (known?.isUsedBy(key.id) === true) return known;
    const ofKey = [...this.feeds.values()].filter((feed) => feed.isUsedBy(key.id)).length;
    if (ofKey >= maxRolloutsOfKey) {
      throw tooManyRollouts(
        `${maxRolloutsOfKey} rollouts are being looked at here with this API key, the limit of a key.`,
      );
    }
    if (known !== undefined) return known;
    if (this.feeds.size >= maxRollouts) this.forgetIdleFeeds();
    if (this.feeds.size >= maxRollouts) {
      throw tooManyRollouts(`${maxRollouts} rollouts are being looked at here, the limit.`);
    }
    const feed = this.createFeed(rollout);
    this.feeds.set(rollout, feed);
    return feed;
  }

  private createFeed(rollout: string | undefined): PageFeed {
    const { limits, read, problemOf } = this.options;
    return new PageFeed({ read: () => read(rollout), pollMs: limits.pollMs, problemOf });
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

function tooManyViewers(what: string): PageError {
  const message = `${what}, so this one is not updated by itself. Close pages that nobody looks at, or reload this one.`;
  return new PageError(503, 'too_many_viewers', message, { 'retry-after': '10' });
}

function tooManyRollouts(what: string): PageError {
  return new PageError(503, 'too_many_rollouts', `${what} Close the pages of old ones.`, { 'retry-after': '10' });
}
