import type { StreamLimits } from '../../contract/policy';
import type { BodyReader, ExchangeControl, ResponseHead } from '../exchange';
import { parseJson } from '../response-schemas';
import { StreamTimeouts } from '../stream-timeouts';
import { firstValue } from '../retry-after';

/** The envelope of each token takes up to a hundred times as many bytes as the token itself, and is not kept. */
const wireBytesPerKeptByte = 64;

/** Server-sent events, and the binary frames of AWS. */
const streamTypes = /^(text\/event-stream|application\/vnd\.amazon\.eventstream)/i;

/** Once everything is sent, a server ends the body within milliseconds. */
const endOfBodyMs = 1_000;

interface SdkSide {
  /** What the SDK gets before a stream of events. */
  readonly opening: string | undefined;
  readonly respond: (response: Response) => void;
  readonly isFinished: () => boolean;
}

/** Passes the body of a response on to the AI SDK, within the limits on size and silence. The body of an error stays here. */
export class PassingReader implements BodyReader {
  private hasEvents = false;
  private isOver = false;
  /** The text of a body that is not a stream. */
  plain = '';
  private readonly timeouts: StreamTimeouts;
  private readonly decoder = new TextDecoder();
  private readonly isStream: boolean;
  private body: ReadableStreamDefaultController<Uint8Array> | undefined;
  private head: ResponseHead | undefined;
  private receivedBytes = 0;
  /** Since the last event that the SDK read. */
  private unreadBytes = 0;

  constructor(
    limits: StreamLimits | undefined,
    private readonly maxBytes: number,
    private readonly control: ExchangeControl,
    private readonly sdk: SdkSide,
  ) {
    this.isStream = limits !== undefined;
    this.timeouts = new StreamTimeouts(limits ?? null, control);
  }

  get isWhole(): boolean {
    return this.sdk.isFinished();
  }

  /** A stream has begun, which is not known to be whole. */
  get isBrokenStream(): boolean {
    return this.isStream && (this.hasEvents || this.isStreamType);
  }

  private get isStreamType(): boolean {
    return streamTypes.test(firstValue(this.head?.headers['content-type']) ?? '');
  }

  onSent(): void {
    this.timeouts.sent();
  }

  onHead(head: ResponseHead): void {
    this.timeouts.head();
    this.head = head;
    if (!this.isStream || !mayHaveBody(head)) return;
    const opening = this.isStreamType ? this.sdk.opening : undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.body = controller;
        if (opening !== undefined) controller.enqueue(Buffer.from(opening));
      },
      cancel: () => {
        this.body = undefined;
      },
    });
    this.sdk.respond(new Response(body, { status: head.status, headers: shownHeaders(head) }));
  }

  onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.unreadBytes += chunk.length;
    const isPassed = this.isStream && this.head !== undefined && this.head.status < 300;
    const isTooLarge = isPassed
      ? this.receivedBytes > this.maxBytes * wireBytesPerKeptByte || this.unreadBytes > this.maxBytes
      : this.receivedBytes > this.maxBytes;
    if (isTooLarge) {
      this.control.abort({ kind: 'too-large' });
      return;
    }
    if (isPassed) this.body?.enqueue(new Uint8Array(chunk));
    // A body that is no stream is read as a whole, to see what was wrong.
    if (!this.hasEvents) this.plain += this.decoder.decode(chunk, { stream: true });
  }

  /** The SDK has read an event. */
  onEvent(): void {
    this.hasEvents = true;
    this.unreadBytes = 0;
    this.plain = '';
  }

  /** The SDK may still be reading when the exchange is over. */
  onToken(): void {
    if (!this.isOver) this.timeouts.token();
  }

  /** Probably nothing follows. The SDK waits for the end of the body, which then comes at once. */
  onLast(): void {
    if (!this.isOver) this.timeouts.finished();
  }

  /** Nothing of the answer follows. */
  onFinished(): void {
    this.control.finish(endOfBodyMs);
  }

  end(): { readonly body: unknown } {
    const isError = this.head !== undefined && this.head.status >= 300;
    if (!this.isStream && this.head !== undefined && mayHaveBody(this.head)) {
      this.sdk.respond(new Response(this.plain, { status: this.head.status, headers: shownHeaders(this.head) }));
    }
    return { body: isError ? (parseJson(this.plain) ?? this.plain) : undefined };
  }

  close(): void {
    this.isOver = true;
    this.timeouts.stop();
    // Also after a failure: the answer may have been complete by then, and the SDK has not read all of it yet.
    this.body?.close();
    this.body = undefined;
  }
}

/** A `Response` with another status must not have a body. An error's stays here. */
function mayHaveBody({ status }: ResponseHead): boolean {
  return status < 300 && status !== 204 && status !== 205;
}

/** The only header that the SDKs read of a response; others may contain what `Headers` refuses. */
function shownHeaders({ headers }: ResponseHead): Record<string, string> {
  const contentType = firstValue(headers['content-type']);
  return contentType !== undefined && /^[\x20-\x7e]*$/.test(contentType) ? { 'content-type': contentType } : {};
}
