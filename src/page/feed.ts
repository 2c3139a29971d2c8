import { type PageData, pagePaths, type PageProblem } from '../contract/page';
import { withQuery } from './route';
import { readData, RequestProblem } from './server';
import { serverNowMs } from './server-time';

/** What the feed tells the page. */
export interface FeedListener {
  /** Called for every change. */
  readonly onData: (data: PageData) => void;
  /** The server has read the ledger at this time and found nothing new. */
  readonly onTick: (atMs: number) => void;
  /** Why there is no data at present; null as soon as there is again. */
  readonly onProblem: (message: string | null) => void;
  readonly onLoggedOut: () => void;
}

/** The server says something every second, and every few seconds if its ledger is slow. Whoever says nothing is gone. */
const silenceMs = 20_000;
/** A machine that wakes up has lost its connections without knowing it. */
const doubtfulMs = 5000;
/** A tab that nobody sees costs the server nothing after this time. */
const hiddenMs = 60_000;
const firstRetryMs = 500;
/** Where events never arrive, this is the interval of polling. */
const longestRetryMs = 5000;

/**
 * Keeps the page up to date by server-sent events. If they fail, it reads the data in the ordinary way and then tries events
 * again, with growing distance: behind a proxy that lets no events pass, that is polling. At any time there is at most one
 * connection and one timer.
 */
export class Feed {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #etag: string | null = null;
  #heardAtMs = 0;
  /** Nobody looks, or it has been stopped. */
  #isAsleep = false;

  constructor(
    private readonly rollout: string | null,
    private readonly listener: FeedListener,
  ) {
    document.addEventListener('visibilitychange', this.#followVisibility);
    this.#connect();
    this.#followVisibility();
  }

  stop(): void {
    this.#isAsleep = true;
    document.removeEventListener('visibilitychange', this.#followVisibility);
    clearTimeout(this.#hiddenTimer);
    this.#disconnect();
  }

  readonly #followVisibility = (): void => {
    clearTimeout(this.#hiddenTimer);
    if (document.visibilityState === 'hidden') {
      this.#hiddenTimer = setTimeout(() => this.#sleep(), hiddenMs);
      return;
    }
    const isDoubtful = this.#heardAtMs > 0 && performance.now() - this.#heardAtMs > doubtfulMs;
    if (this.#isAsleep || isDoubtful) this.#connect();
    this.#isAsleep = false;
  };

  #sleep(): void {
    this.#isAsleep = true;
    this.#disconnect();
  }

  #connect(): void {
    this.#disconnect();
    const source = new EventSource(withQuery(pagePaths.events, { rollout: this.rollout }));
    this.#source = source;
    source.addEventListener('data', ({ data }: MessageEvent<string>) => {
      this.#heard(null);
      this.listener.onData(JSON.parse(data) as PageData);
    });
    source.addEventListener('tick', ({ data }: MessageEvent<string>) => {
      this.#heard(null);
      this.listener.onTick((JSON.parse(data) as Pick<PageData, 'atMs'>).atMs);
    });
    source.addEventListener('problem', ({ data }: MessageEvent<string>) => {
      this.#heard((JSON.parse(data) as PageProblem).message);
    });
    // The browser would try again for ever, and never say that the login is over.
    source.addEventListener('error', () => this.#retry());
    this.#listenForSilence();
  }

  #heard(problem: string | null): void {
    this.#failures = 0;
    this.#heardAtMs = performance.now();
    this.listener.onProblem(problem);
    this.#listenForSilence();
  }

  #listenForSilence(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#retry(), silenceMs);
  }

  #disconnect(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #retry(): void {
    this.#disconnect();
    const retryMs = Math.min(longestRetryMs, firstRetryMs * 2 ** this.#failures);
    this.#failures += 1;
    // Pages that lost the same server do not all come back at the same moment.
    this.#timer = setTimeout(() => void this.#readOnce(), retryMs * (0.75 + Math.random() / 2));
  }

  async #readOnce(): Promise<void> {
    try {
      const read = await readData(this.rollout, this.#etag);
      if (this.#isAsleep) return;
      this.#heardAtMs = performance.now();
      this.listener.onProblem(null);
      if (read === null) {
        this.listener.onTick(serverNowMs());
      } else {
        this.#etag = read.etag;
        this.listener.onData(read.data);
      }
      this.#connect();
    } catch (error) {
      if (!this.#isAsleep) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof RequestProblem && error.isLoggedOut) {
      this.stop();
      this.listener.onLoggedOut();
      return;
    }
    this.listener.onProblem(error instanceof Error ? error.message : String(error));
    this.#retry();
  }
}
