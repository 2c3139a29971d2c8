import type { ChatReply } from '../../contract/chat';
import { type AnswerPosition, answerStart } from '../../domain/stream/answer-so-far';
import type { RegisteredTurn } from '../completion';
import type { GatewayError } from '../gateway-error';
import type { EventForm } from '../send-turn';
import {
  failedResponse,
  itemIds,
  type OutputItem,
  type ResponseEcho,
  type ResponseObject,
  toResponse,
  unfinishedResponse,
} from './response-object';

/**
 * Sequence numbers of events grow, but not by one: they are positions in the answer, so that a reader who comes back, to
 * whichever gateway, gets what follows the number that it names, and nobody has to remember what was sent. From the highest
 * bit: the offset of the text behind the event in UTF-16 code units, one bit for events behind the whole text, and nine bits
 * of the text's hash, by which another answer is told from this one. Below 2^31, because some clients have 32 bits for them:
 * an answer has at most 1 MiB.
 */
const hashBits = 9;
const behindText = 1 << hashBits;
const unit = behindText << 1;

function numberOf({ offset, hash }: AnswerPosition): number {
  return offset * unit + (hash & (behindText - 1));
}

/** Where in the answer a reader is who has had the event with this number. */
export function positionOf(sequenceNumber: number): AnswerPosition | undefined {
  const offset = Math.floor(sequenceNumber / unit);
  // The text is over, or has not begun: which of its events are sent again is seen by their numbers.
  if (offset === 0 || (sequenceNumber & behindText) !== 0) return undefined;
  return { offset, hash: sequenceNumber & (behindText - 1), hashBits };
}

/**
 * What ends a stream but says nothing of its turn, which may go on and be answered. `response.failed` would tell clients that
 * the response has failed, which `GET` would contradict later.
 */
const aboutTheStream: ReadonlySet<string> = new Set([
  'stream_diverged',
  'rejoined_stream_diverged',
  'gateway_stopping',
  'deadline_exceeded',
  'temporal_unreachable',
  'ledger_unavailable',
  'internal_error',
  'turn_not_kept',
]);

/**
 * A turn as the events of a response. Items come as in the whole response: the message first, whose text is told as it comes,
 * then thoughts and calls, each whole. The stream ends with `response.completed`, `response.incomplete` or
 * `response.failed`, or with `error`.
 */
export class ResponseEvents implements EventForm {
  private sequenceNumber = 0;
  /** Of the last event that the reader has. An `error` repeats it: whoever comes back with it gets what follows. */
  private lastNumber: number;
  private position: AnswerPosition;
  private hasMessage: boolean;

  /** @param after the number of the last event that the reader has; -1: none */
  constructor(
    private readonly turn: RegisteredTurn,
    private readonly echo: ResponseEcho,
    private readonly after = -1,
  ) {
    this.position = positionOf(after) ?? answerStart;
    this.hasMessage = this.position.offset > 0;
    this.lastNumber = Math.max(after, 0);
  }

  *begin(): Generator<string> {
    const response = unfinishedResponse('in_progress', this.turn, this.echo);
    yield* this.event('response.created', { response });
    yield* this.event('response.in_progress', { response });
  }

  *text(text: string, position: AnswerPosition): Generator<string> {
    if (!this.hasMessage) {
      this.hasMessage = true;
      const item = { ...this.messageFrame(), status: 'in_progress', content: [] };
      yield* this.event('response.output_item.added', { output_index: 0, item });
      yield* this.event('response.content_part.added', { ...this.partPlace(0), part: emptyText });
    }
    this.position = position;
    this.sequenceNumber = numberOf(position);
    yield* this.event('response.output_text.delta', { ...this.partPlace(0), delta: text, logprobs: [] });
  }

  *answered(reply: ChatReply): Generator<string> {
    this.sequenceNumber = numberOf(this.position) | behindText;
    const response = toResponse(reply, this.turn, this.echo);
    for (const [index, item] of response.output.entries()) yield* this.item(item, index);
    yield* this.last(`response.${response.status}`, response);
  }

  *failed(error: GatewayError): Generator<string> {
    const { code, message, param } = error.fields;
    if (aboutTheStream.has(code)) {
      yield serverSentEvent('error', this.lastNumber, { code, message, param });
      return;
    }
    this.sequenceNumber = numberOf(this.position) | behindText;
    yield* this.last('response.failed', failedResponse(error, this.turn, this.echo));
  }

  private last(type: string, response: ResponseObject): Iterable<string> {
    return this.event(type, { response });
  }

  private *item(item: OutputItem, index: number): Generator<string> {
    const place = { item_id: item.id, output_index: index };
    switch (item.type) {
      case 'message':
        yield* this.message(item, index);
        break;
      case 'reasoning':
        yield* this.event('response.output_item.added', { output_index: index, item: { ...item, summary: [] } });
        for (const [summary, part] of item.summary.entries()) {
          const partPlace = { ...place, summary_index: summary };
          const { text } = part;
          yield* this.event('response.reasoning_summary_part.added', { ...partPlace, part: { ...part, text: '' } });
          yield* this.event('response.reasoning_summary_text.delta', { ...partPlace, delta: text });
          yield* this.event('response.reasoning_summary_text.done', { ...partPlace, text });
          yield* this.event('response.reasoning_summary_part.done', { ...partPlace, part });
        }
        break;
      case 'function_call': {
        const { arguments: given, name } = item;
        const begun = { ...item, status: 'in_progress', arguments: '' };
        yield* this.event('response.output_item.added', { output_index: index, item: begun });
        yield* this.event('response.function_call_arguments.delta', { ...place, delta: given });
        yield* this.event('response.function_call_arguments.done', { ...place, name, arguments: given });
        break;
      }
    }
    yield* this.event('response.output_item.done', { output_index: index, item });
  }

  /** What of a message was not told with its text. */
  private *message(item: Extract<OutputItem, { type: 'message' }>, index: number): Generator<string> {
    if (!this.hasMessage) {
      const begun = { ...item, status: 'in_progress', content: [] };
      yield* this.event('response.output_item.added', { output_index: index, item: begun });
    }
    for (const [partIndex, part] of item.content.entries()) {
      const place = this.partPlace(partIndex);
      if (part.type === 'output_text') {
        const { text, logprobs } = part;
        if (!this.hasMessage) yield* this.event('response.content_part.added', { ...place, part: emptyText });
        yield* this.event('response.output_text.done', { ...place, text, logprobs });
      } else {
        const { refusal } = part;
        yield* this.event('response.content_part.added', { ...place, part: { ...part, refusal: '' } });
        yield* this.event('response.refusal.delta', { ...place, delta: refusal });
        yield* this.event('response.refusal.done', { ...place, refusal });
      }
      yield* this.event('response.content_part.done', { ...place, part });
    }
  }

  private messageFrame() {
    return { id: itemIds.message(this.turn.turnId), type: 'message', role: 'assistant' };
  }

  private partPlace(contentIndex: number) {
    return { item_id: itemIds.message(this.turn.turnId), output_index: 0, content_index: contentIndex };
  }

  /** Nothing, if the reader has it. */
  private *event(type: string, fields: object): Generator<string> {
    const number = this.sequenceNumber;
    this.sequenceNumber += (number & behindText) === 0 ? 1 : unit;
    if (number <= this.after) return;
    this.lastNumber = number;
    yield serverSentEvent(type, number, fields);
  }
}

function serverSentEvent(type: string, sequenceNumber: number, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequenceNumber, ...fields })}\n\n`;
}

const emptyText = { type: 'output_text', text: '', annotations: [], logprobs: [] } as const;
