import type { ChatReply } from '../contract/chat';
import type { StreamPiece, TurnStreams } from '../contract/stream';
import { advance, type AnswerPosition, AnswerSoFar } from '../domain/stream/answer-so-far';
import { GatewayError } from './gateway-error';

export type TurnEvent =
  /** `position`: up to where the caller has the answer with this text. */
  | { readonly kind: 'text'; readonly text: string; readonly position: AnswerPosition }
  /** The whole answer has been told. */
  | { readonly kind: 'answered'; readonly reply: ChatReply }
  | { readonly kind: 'failed'; readonly error: GatewayError }
  /** Nothing came for a heartbeat's time. */
  | { readonly kind: 'quiet' };

/** How a turn ended for who waits for it; never a rejection. `arm`: that admitted it, if that is known. */
export type TurnEnd = { readonly reply: ChatReply } | { readonly error: GatewayError; readonly arm?: string | null };

export interface StreamTurnEventsOptions {
  readonly turnName: string;
  readonly streams: TurnStreams;
  readonly end: Promise<TurnEnd>;
  /** Up to where a caller that comes back has the answer. */
  readonly alreadySent?: AnswerPosition;
  /** The field or header that names the place behind which a caller comes back. Default: `Last-Event-ID`. */
  readonly rejoinsBy?: string;
  readonly heartbeatMs: number;
  /** Ends the telling without another event: the caller has gone. */
  readonly gone: AbortSignal;
  readonly onDivergence?: () => void;
}

/**
 * Tells a turn while it happens: its text as pieces come, then what only the reply has. Reads the next piece only when
 * the last one was taken, so a slow caller holds nothing in memory here.
 */
export async function* streamTurnEvents(options: StreamTurnEventsOptions): AsyncGenerator<TurnEvent, void> {
  const { turnName, streams, gone, heartbeatMs, alreadySent } = options;
  const reading = new AbortController();
  const arrivals = new Arrivals(streams.read(turnName, reading.signal), options.end);
  const wake = (): void => arrivals.wake();
  gone.addEventListener('abort', wake);
  const answer = new AnswerSoFar(alreadySent);
  try {
    while (arrivals.end === null && !gone.aborted) {
      const piece = arrivals.takePiece();
      if (piece !== null) {
        const text = answer.take(piece);
        if (text !== '') yield { kind: 'text', text, position: answer.position };
      } else if (!(await arrivals.wokenWithin(heartbeatMs))) yield { kind: 'quiet' };
    }
    if (arrivals.end !== null && !gone.aborted) yield* tellEnd(arrivals.end, answer, options);
  } finally {
    gone.removeEventListener('abort', wake);
    reading.abort();
    arrivals.close();
  }
}

function* tellEnd(end: TurnEnd, answer: AnswerSoFar, options: StreamTurnEventsOptions): Generator<TurnEvent> {
  if ('error' in end) {
    yield { kind: 'failed', error: end.error };
    return;
  }
  const { reply } = end;
  const ending = answer.finish(reply.content);
  if (ending.kind === 'diverged') {
    options.onDivergence?.();
    yield { kind: 'failed', error: diverged(reply, options) };
    return;
  }
  if (ending.text !== '') yield { kind: 'text', text: ending.text, position: advance(answer.position, ending.text) };
  yield { kind: 'answered', reply };
}

function diverged(
  { turn_id }: ChatReply,
  { alreadySent, rejoinsBy = 'Last-Event-ID' }: Pick<StreamTurnEventsOptions, 'alreadySent' | 'rejoinsBy'>,
): GatewayError {
  const message =
    'The model broke off, and the answer that the turn got then does not begin with what was sent: nothing of that counts. ' +
    `GET /v1/turns/${turn_id} has the whole answer, and its stream, read anew from its beginning, starts with it.`;
  // The same place would never do again.
  if (alreadySent !== undefined) return new GatewayError('rejoined_stream_diverged', message, { param: rejoinsBy });
  return new GatewayError('stream_diverged', message);
}

/** What has come of a turn and was not taken yet: one piece at most, and the end. */
class Arrivals {
  end: TurnEnd | null = null;
  private piece: StreamPiece | null = null;
  private readonly pieces: AsyncIterator<StreamPiece>;
  private isAwake = false;
  private onWake: (() => void) | null = null;

  constructor(pieces: AsyncIterable<StreamPiece>, end: Promise<TurnEnd>) {
    this.pieces = pieces[Symbol.asyncIterator]();
    void end.then((ended) => {
      this.end = ended;
      this.wake();
    });
    this.fetchPiece();
  }

  takePiece(): StreamPiece | null {
    const { piece } = this;
    this.piece = null;
    if (piece !== null) this.fetchPiece();
    return piece;
  }

  wake(): void {
    this.isAwake = true;
    this.onWake?.();
  }

  /** False when nothing happened; what happened before it was asked for counts. */
  async wokenWithin(timeoutMs: number): Promise<boolean> {
    if (!this.isAwake) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.onWake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.onWake = null;
    const wasWoken = this.isAwake;
    this.isAwake = false;
    return wasWoken;
  }

  /** A piece that was fetched and not taken leaves its reader amid its work: only this ends it. */
  close(): void {
    void this.pieces.return?.();
  }

  private fetchPiece(): void {
    void this.pieces.next().then(({ done, value }) => {
      if (done) return;
      this.piece = value;
      this.wake();
    });
  }
}
