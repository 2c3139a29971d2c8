import type { Dispatcher } from 'undici';
import type { ResponseHeaders } from './retry-after';

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From now to the last byte: waiting for a connection, connecting, headers and body. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  readonly signal?: AbortSignal;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
}

export type BreakCause =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'cancelled'; readonly reason: unknown }
  | { readonly kind: 'too-large' }
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
  { readonly kind: 'response'; readonly head: ResponseHead; readonly body: string } | BrokenExchange;

/**
 * One HTTP request and its whole response, bounded in time and in bytes. Never rejects. When it is broken off, its
 * connection is destroyed at once, so that nothing is left to read an endless body or to wait for a silent server.
 */
export function exchange(dispatcher: Dispatcher, request: ExchangeRequest): Promise<Exchange> {
  return new Promise((resolve) => {
    const handler = new BoundedHandler(request, resolve);
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
  private readonly chunks: Buffer[] = [];
  private receivedBytes = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly request: ExchangeRequest,
    private readonly resolve: (exchange: Exchange) => void,
  ) {
    this.timer = setTimeout(() => this.breakOff({ kind: 'timeout' }), request.timeoutMs);
    if (request.signal?.aborted) this.onAbort();
    else request.signal?.addEventListener('abort', this.onAbort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.isOver) controller.abort(new Error('The call ended while it waited for a connection.'));
    else this.controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    // 1xx is not the answer yet.
    if (status >= 200) this.head = { status, headers };
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    if (this.receivedBytes > this.request.maxResponseBytes) this.breakOff({ kind: 'too-large' });
    else this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.head === null) return;
    this.end({ kind: 'response', head: this.head, body: Buffer.concat(this.chunks).toString('utf8') });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.breakOff({ kind: 'network', error });
  }

  private readonly onAbort = (): void => {
    this.breakOff({ kind: 'cancelled', reason: this.request.signal?.reason });
  };

  private breakOff(cause: BreakCause): void {
    if (this.isOver) return;
    this.end({ kind: 'broken', cause, head: this.head, sent: this.controller !== undefined });
    // After `end`: undici reports the abort to `onResponseError`, which must not be taken for the cause.
    this.controller?.abort(new Error(`The call was broken off: ${cause.kind}.`));
  }

  private end(result: Exchange): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    this.request.signal?.removeEventListener('abort', this.onAbort);
    this.resolve(result);
  }
}
