import type { ServerResponse } from 'node:http';
import type { PageProblem, PageTick, PageViewer } from '../contract/page';
import { mayKey } from '../contract/api-keys';
import type { LoggedIn } from './sessions';
import type { PageSnapshot } from './snapshot';

/** How soon a browser connects again. It adds nothing to the load: whoever connects gets what was read for the others. */
const reconnectMs = 2_000;

/** The server-sent events of one viewer. One who reads too slowly misses what is outdated and gets the newest. */
export class ViewerStream {
  /** What a slow viewer gets next. */
  private waiting: PageSnapshot | null = null;
  private behindSinceMs: number | null = null;
  private shownHash = '';
  private isEnding = false;
  private readonly viewer: PageViewer;

  constructor(
    private readonly answer: ServerResponse,
    readonly loggedIn: LoggedIn,
  ) {
    this.viewer = viewerOf(loggedIn);
    answer.on('drain', () => this.catchUp());
    answer.write(`retry: ${reconnectMs}\n\n`);
  }

  /** Sends the snapshot, or only its time if it says what the viewer already sees. */
  show(snapshot: PageSnapshot): void {
    if (this.isEnding) return;
    if (this.isBehind()) {
      this.waiting = snapshot;
      return;
    }
    if (snapshot.hash === this.shownHash) {
      const tick: PageTick = { atMs: snapshot.atMs };
      this.write(`event: tick\ndata: ${JSON.stringify(tick)}\n\n`);
      return;
    }
    this.shownHash = snapshot.hash;
    this.answer.cork();
    for (const part of snapshot.eventFor(this.viewer)) this.answer.write(part);
    this.answer.uncork();
  }

  tell(problem: PageProblem): void {
    this.write(problemEvent(problem));
  }

  /** Keeps the connection open through proxies while there is nothing to say. */
  beat(): void {
    this.write(':\n\n');
  }

  /** How long it has been since the viewer last read everything. */
  behindForMs(): number {
    return this.behindSinceMs === null ? 0 : performance.now() - this.behindSinceMs;
  }

  onClose(callback: () => void): void {
    this.answer.once('close', callback);
  }

  /** Says why and ends the stream. What was waiting is not sent any more: the viewer may no longer see it. */
  end(problem: PageProblem): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.waiting = null;
    // Whoever does not read this either is let go in time.
    this.behindSinceMs ??= performance.now();
    this.answer.end(problemEvent(problem));
  }

  /** For a viewer who has stopped reading. */
  destroy(): void {
    this.answer.destroy();
  }

  private write(text: string): void {
    if (!this.isEnding && !this.isBehind()) this.answer.write(text);
  }

  private isBehind(): boolean {
    if (!this.answer.writableNeedDrain) return false;
    this.behindSinceMs ??= performance.now();
    return true;
  }

  private catchUp(): void {
    if (this.isEnding) return;
    this.behindSinceMs = null;
    const { waiting } = this;
    this.waiting = null;
    if (waiting !== null) this.show(waiting);
  }
}

function problemEvent(problem: PageProblem): string {
  return `event: problem\ndata: ${JSON.stringify(problem)}\n\n`;
}

export function viewerOf({ key }: LoggedIn): PageViewer {
  return { name: key.name, mayOperate: mayKey(key, 'operate-rollouts') };
}
