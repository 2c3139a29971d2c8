import type { Dispatcher } from 'undici';
import type { StreamLimits } from '../contract/policy';
import type { ConnectedRequest, Connection } from './connections';
import { BodyDecoder } from './decode-body';
import { PauseTolerantTimer } from './pause-tolerant-timer';
import type { ResponseHeaders } from './retry-after';

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole exchange, from now to the last byte: waiting for a connection, connecting, headers and body. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

export type FailureCause =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'stalled'; readonly limit: Exclude<keyof StreamLimits, 'totalMs'>; readonly limitMs: number }
  | { readonly kind: 'cancelled'; readonly reason: unknown }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'malformed-chunk' }
  /** The body is compressed, but cannot be decompressed. */
  | { readonly kind: 'malformed-body' }
  /** The body ended before the answer was complete. */
  | { readonly kind: 'truncated' }
  /** The provider itself broke the answer off, for this reason. */
  | { readonly kind: 'broken-off'; readonly reason: string }
  /** A complete answer without content. `hasReason`: the provider gave a finish reason. */
  | { readonly kind: 'empty'; readonly hasReason: boolean }
  /** A tool call does not say which tool. */
  | { readonly kind: 'nameless-call' }
  | { readonly kind: 'network'; readonly error: Error };

export interface FailedExchange {
  readonly kind: 'failed';
  readonly cause: FailureCause;
  /** The response head, if it had arrived. */
  readonly head: ResponseHead | null;
  /** Whether the request was written to a connection: only then can the provider have processed and charged it. */
  readonly sent: boolean;
  /**
   * The connection had served earlier calls and was lost at once, before any response: the provider had closed it and
   * never saw the request.
   */
  readonly wasStale?: boolean;
}

export type Exchange =
  /** `body` is the parsed JSON body, or the equivalent assembled from a stream; undefined if it is not JSON. */
  { readonly kind: 'response'; readonly head: ResponseHead; readonly body: unknown } | FailedExchange;

/** Receives the body of one response as it arrives, within a size limit. */
export interface BodyReader {
  /** Whether the answer is complete, so that it no longer matters what happens to the connection. */
  readonly isWhole: boolean;
  /** The request has been written to a connection. */
  onSent(): void;
  onHead(head: ResponseHead): void;
  onData(chunk: Buffer): void;
  /** The body has ended, or the rest of it does not matter. Returns the exchange's body, or why there is none. */
  end(): { readonly body: unknown } | FailureCause;
  /** The exchange is over, however it ended: nothing more is read, and all timers must be cleared. */
  close(): void;
}

/** How a reader controls its exchange. */
export interface ExchangeControl {
  /**
   * Ends the exchange with the result of `end`. The body gets `restMs` more to end, so that its connection can be reused;
   * after that the connection is destroyed.
   */
  finish(restMs: number): void;
  abort(cause: FailureCause): void;
}

/**
 * One HTTP request and its whole response, limited in time and, by its reader, in bytes. Never rejects. When it is aborted,
 * its connection is destroyed at once, so that nothing keeps reading an endless body or waiting for a silent server.
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
    const connected: ConnectedRequest = {
      method,
      path,
      headers,
      body,
      onConnection: (connection) => (handler.connection = connection),
    };
    dispatcher.dispatch(connected, handler);
  });
}

/** A closed connection shows within one round trip; a provider that is silent for longer may have processed the request. */
const staleWithinMs = 1_000;

/**
 * Used instead of `pool.request()`, which ignores its abort signal while it waits for a connection and does not tell
 * whether the request was sent.
 */
class BoundedHandler implements Dispatcher.DispatchHandler {
  connection: Connection | null = null;
  isOver = false;
  private controller: Dispatcher.DispatchController | undefined;
  private head: ResponseHead | null = null;
  private readonly reader: BodyReader;
  /** Limits the exchange and, once it is over, the rest of its body. */
  private readonly timer = new PauseTolerantTimer();
  private readonly decoder = new BodyDecoder({
    onData: (chunk) => {
      if (!this.isOver) this.reader.onData(chunk);
    },
    onEnd: () => {
      if (!this.isOver) this.endWithBody();
    },
    onError: () => this.abort({ kind: 'malformed-body' }),
  });
  private isOnReusedConnection = false;
  private sentAtMs = 0;

  constructor(
    private readonly request: ExchangeRequest,
    createReader: (control: ExchangeControl) => BodyReader,
    private readonly resolve: (exchange: Exchange) => void,
  ) {
    this.timer.start(request.timeoutMs, () => this.abort({ kind: 'timeout' }));
    this.reader = createReader({
      finish: (restMs) => this.finish(restMs),
      abort: (cause) => this.abort(cause),
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
    this.isOnReusedConnection = this.connection?.use() ?? false;
    this.sentAtMs = performance.now();
    this.reader.onSent();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    // 1xx is not the final response.
    if (status < 200 || this.isOver) return;
    this.head = { status, headers };
    this.decoder.begin(headers);
    this.reader.onHead(this.head);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.isOver) this.decoder.write(chunk, controller);
  }

  onResponseEnd(): void {
    if (this.isOver) this.timer.clear();
    else this.decoder.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.isOver) this.timer.clear();
    else this.abort({ kind: 'network', error });
  }

  private readonly onAbort = (): void => {
    this.abort({ kind: 'cancelled', reason: this.request.signal?.reason });
  };

  private finish(restMs: number): void {
    if (this.isOver) return;
    this.endWithBody();
    this.timer.start(restMs, () => this.destroyConnection('its body did not end'));
  }

  private endWithBody(): void {
    if (this.head === null) return;
    const end = this.reader.end();
    if ('kind' in end) this.abort(end);
    else this.end({ kind: 'response', head: this.head, body: end.body });
  }

  private abort(cause: FailureCause): void {
    if (this.isOver) return;
    if (this.reader.isWhole && cause.kind !== 'cancelled') this.endWithBody();
    else {
      const sent = this.controller !== undefined;
      this.end({ kind: 'failed', cause, head: this.head, sent, ...(this.wasStale(cause) && { wasStale: true }) });
    }
    this.destroyConnection(cause.kind);
  }

  private wasStale(cause: FailureCause): boolean {
    const isUnanswered = cause.kind === 'network' && isConnectionLoss(cause.error) && this.head === null;
    return isUnanswered && this.isOnReusedConnection && performance.now() - this.sentAtMs < staleWithinMs;
  }

  /**
   * Call it only after `end`: undici reports the abort to `onResponseError`, where it must not be mistaken for the cause.
   */
  private destroyConnection(why: string): void {
    this.controller?.abort(new Error(`The call was aborted: ${why}.`));
  }

  private end(result: Exchange): void {
    if (this.isOver) return;
    this.isOver = true;
    this.timer.clear();
    this.reader.close();
    this.decoder.close();
    this.request.signal?.removeEventListener('abort', this.onAbort);
    this.resolve(result);
  }
}

function isConnectionLoss(error: Error): boolean {
  return 'code' in error && ['UND_ERR_SOCKET', 'ECONNRESET', 'ECONNABORTED', 'EPIPE'].includes(String(error.code));
}
