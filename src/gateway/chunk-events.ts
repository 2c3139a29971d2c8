import type { ChatReply } from '../contract/chat';
import { type AnswerPosition, answerStart, formatPosition } from '../domain/stream/answer-so-far';
import type { GatewayError } from './gateway-error';
import type { EventForm } from './send-turn';

/** The chunks of a stream, in the form that its route describes. */
interface TurnChunks {
  /** Begins every stream. */
  role(): object;
  text(text: string): object;
  ending(reply: ChatReply): Iterable<object>;
}

const done = 'data: [DONE]\n\n';

/**
 * Chunks as events: `data:` lines, with positions in the answer as ids. The stream ends with [DONE] only behind a
 * finish_reason; an error is an event of its own, after which the stream ends without either.
 */
export class ChunkEvents implements EventForm {
  constructor(
    private readonly chunks: TurnChunks,
    private position: AnswerPosition = answerStart,
  ) {}

  *begin(): Generator<string> {
    if (this.position.offset === 0) yield this.event(this.chunks.role());
  }

  *text(text: string, position: AnswerPosition): Generator<string> {
    this.position = position;
    yield this.event(this.chunks.text(text));
  }

  *answered(reply: ChatReply): Generator<string> {
    for (const chunk of this.chunks.ending(reply)) yield this.event(chunk);
    yield done;
  }

  *failed({ body }: GatewayError): Generator<string> {
    yield `data: ${JSON.stringify(body)}\n\n`;
  }

  /** `Last-Event-ID` with this id re-joins the turn behind this event. */
  private event(data: object): string {
    return `id: ${formatPosition(this.position)}\ndata: ${JSON.stringify(data)}\n\n`;
  }
}
