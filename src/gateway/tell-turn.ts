import type { ChatReply } from '../contract/chat';
import type { StreamPiece, TurnStreams } from '../contract/stream';
import { AnswerSoFar } from '../domain/answer-so-far';
import { failed, type GatewayError } from './gateway-error';

export type TurnEvent =
  /** `offset`: how much of the answer the caller has with this text. */
  | { readonly kind: 'text'; readonly text: string; readonly offset: number }
  /** The whole answer has been told. */
  | { readonly kind: 'answered'; readonly reply: ChatReply }
  | { readonly kind: 'failed'; readonly error: GatewayError }
  /** Nothing came for a heartbeat's time. */
  | { readonly kind: 'quiet' };

/** How a turn ended for who waits for it; never a rejection. */
export type TurnEnd = { readonly reply: ChatReply } | { readonly error: GatewayError };

export interface TellTurnOptions {
  readonly turnId: string;
  readonly streams: TurnStreams;
  readonly end: Promise<TurnEnd>;
  /** How much of the answer the caller has already. */
  readonly alreadySent?: number;
  readonly heartbeatMs: number;
  /** Ends the telling without another event: the caller has gone. */
  readonly gone: AbortSignal;
  readonly onDivergence?: () => void;
}

/**
 * Tells a turn while it happens: its text as pieces come, then what only the reply has. Reads the next piece only when
 * the last one was taken, so a slow caller holds nothing in memory here.
 */
export async function* tellTurn(options: TellTurnOptions): AsyncGenerator<TurnEvent, void> {
  const { turnId, streams, gone, heartbeatMs, alreadySent = 0 } = options;
  const reading = new AbortController();
  const arrivals = new Arrivals(streams.read(turnId, reading.signal), options.end);
  const wake = (): void => arrivals.wake();
  gone.addEventListener('abort', wake);
  const answer = new AnswerSoFar(alreadySent);
  try {
    while (arrivals.end === null && !gone.aborted) {
      const piece = arrivals.takePiece();
      if (piece !== null) {
        const text = answer.take(piece);
        if (text !== '') yield { kind: 'text', text, offset: answer.offset };
      } else if (!(await arrivals.wokenWithin(heartbeatMs))) yield { kind: 'quiet' };
    }
    if (arrivals.end !== null && !gone.aborted) yield* tellEnd(arrivals.end, answer, options);
  } finally {
    gone.removeEventListener('abort', wake);
    reading.abort();
  }
}

function* tellEnd(end: TurnEnd, answer: AnswerSoFar, { onDivergence }: TellTurnOptions): Generator<TurnEvent> {
  if ('error' in end) {
    yield { kind: 'failed', error: end.error };
    return;
  }
  const { reply } = end;
  const ending = answer.finish(reply.content);
  if (ending.kind === 'diverged') {
    onDivergence?.();
    yield { kind: 'failed', error: diverged(reply) };
    return;
  }
  if (ending.text !== '') yield { kind: 'text', text: ending.text, offset: reply.content.length };
  yield { kind: 'answered', reply };
}

function diverged({ turn_id }: ChatReply): GatewayError {
  return failed(
    502,
    'stream_diverged',
    `The model broke off, and the answer that the turn got then does not begin with what was sent. GET /v1/turns/${turn_id} has the whole answer; nothing of what was sent before counts.`,
  ).final();
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

  private fetchPiece(): void {
    void this.pieces.next().then(({ done, value }) => {
      if (done) return;
      this.piece = value;
      this.wake();
    });
  }
}
