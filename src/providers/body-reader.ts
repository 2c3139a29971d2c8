import type { BreakCause, ResponseHead } from './exchange';
import { parseJson } from './response-schemas';

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

/** Reads a body whose JSON is there only when all of it is. */
export class JsonReader implements BodyReader {
  readonly isWhole = false;
  private readonly chunks: Buffer[] = [];
  private receivedBytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly control: ExchangeControl,
  ) {}

  onSent(): void {}

  onHead(): void {}

  onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    if (this.receivedBytes > this.maxBytes) this.control.breakOff({ kind: 'too-large' });
    else this.chunks.push(chunk);
  }

  end(): { readonly body: unknown } {
    return { body: parseJson(Buffer.concat(this.chunks).toString('utf8')) };
  }

  close(): void {}
}
