import type { Dispatcher } from 'undici';
import type { StreamLimits } from '../contract/policy';
import { PauseTolerantTimer } from './pause-tolerant-timer';
import type { ResponseHeaders } from './retry-after';

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From now to the last byte: waiting for a connection, connecting, headers and body. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

export type BreakCause =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'stalled'; readonly limit: Exclude<keyof StreamLimits, 'totalMs'>; readonly limitMs: number }
  | { readonly kind: 'cancelled'; readonly reason: unknown }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'malformed-chunk' }
  /** The body ended where a whole answer does not. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'network'; readonly error: Error };

export interface BrokenExchange {
  readonly kind: 'broken';
  readonly cause: BreakCause;
  /** What had come before it broke. */
  readonly head: ResponseHead | null;
  /** Whether the request was written to a connection: only then can the provider have worked and charged. */
  readonly sent: boolean;
}

export type Exchange =
  /** `body` is the parsed JSON of the body, undefined when it is none; of a stream: the same, put together. */
  { readonly kind: 'response'; readonly head: ResponseHead; readonly body: unknown } | BrokenExchange;

/** Takes the body of one response in as it comes, and keeps no more of it than it may. */
export interface BodyReader {
  /** Whether all that was asked for is there: what happens to the connection afterwards does not matter. */
  readonly isWhole: boolean;
  /** The request is written to a connection. */
  onSent(): void;
  onHead(head: ResponseHead): void;
  onData(chunk: Buffer): void;
  /** The body has ended, or the rest of it does not matter. Gives the exchange's body, or why there is none. */
  end(): { readonly body: unknown } | BreakCause;
  /** The exchange is over, however it ended: nothing is read any more, and no timer may be left. */
  close(): void;
}

/** What a reader may do to its exchange. */
export interface ExchangeControl {
  /**
   * Ends the exchange with what `end` gives. The body may take `restMs` more to end, so that its connection can serve the
   * next call; then it is destroyed.
   */
  finish(restMs: number): void;
  breakOff(cause: BreakCause): void;
}

/**
 * One HTTP request and its whole response, bounded in time and, by its reader, in bytes. Never rejects. When it is broken
 * off, its connection is destroyed at once, so that nothing is left to read an endless body or to wait for a silent server.
 */
export function exchange(
  dispatcher: Dispatcher,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const handler = new BoundedHandler(request, createReader, resolve);
    if (handler.isOver) return;
    const { method, path, headers, body } = request;
    dispatcher.dispatch({ method, path, headers, body }, handler);
  });
}

/**
 * A dispatch handler and not `pool.request()`, for two reasons: `request()` takes no notice of its abort signal while it
 * waits for a connection, and it does not tell whether the request was sent.
 */
class BoundedHandler implements Dispatcher.DispatchHandler {
  isOver = false;
  private controller: Dispatcher.DispatchController | undefined;
  private head: ResponseHead | null = null;
  private readonly reader: BodyReader;
  /** Of the exchange; once it is over, of what is left of its body. */
  private readonly timer = new PauseTolerantTimer();

  constructor(
    private readonly request: ExchangeRequest,
    createReader: (control: ExchangeControl) => BodyReader,
    private readonly resolve: (exchange: Exchange) => void,
  ) {
    this.timer.start(request.timeoutMs, () => this.breakOff({ kind: 'timeout' }));
    this.reader = createReader({
      finish: (restMs) => this.finish(restMs),
      breakOff: (cause) => this.breakOff(cause),
    });
    if (request.signal?.aborted) this.onAbort();
    else request.signal?.addEventListener('abort', this.onAbort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.isOver) {
      controller.abort(new Error('The call ended while it waited for a connection.'));
      return;
    }
    this.controller = controller;
    this.reader.onSent();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    // 1xx is not the answer yet.
    if (status < 200 || this.isOver) return;
    this.head = { status, headers };
    this.reader.onHead(this.head);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isOver) this.reader.onData(chunk);
  }

  onResponseEnd(): void {
    if (this.isOver) this.timer.clear();
    else this.endWithBody();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.isOver) this.timer.clear();
    else this.breakOff({ kind: 'network', error });
  }

  private readonly onAbort = (): void => {
    this.breakOff({ kind: 'cancelled', reason: this.request.signal?.reason });
  };

  private finish(restMs: number): void {
    if (this.isOver) return;
    this.endWithBody();
    this.timer.start(restMs, () => this.abort('its body did not end'));
  }

  private endWithBody(): void {
    if (this.head === null) return;
    const end = this.reader.end();
    if ('kind' in end) this.breakOff(end);
    else this.end({ kind: 'response', head: this.head, body: end.body });
  }

  private breakOff(cause: BreakCause): void {
    if (this.isOver) return;
    if (this.reader.isWhole && cause.kind !== 'cancelled') this.endWithBody();
    else this.end({ kind: 'broken', cause, head: this.head, sent: this.controller !== undefined });
    this.abort(cause.kind);
  }

  /** Only after `end`: undici reports the abort to `onResponseError`, which must not be taken for the cause. */
  private abort(why: string): void {
    this.controller?.abort(new Error(`The call was broken off: ${why}.`));
  }

  private end(result: Exchange): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer.clear();
    this.reader.close();
    this.request.signal?.removeEventListener('abort', this.onAbort);
    this.resolve(result);
  }
}
