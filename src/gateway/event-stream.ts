/** Server-sent events as OpenAI's clients read them: `data:` lines, comments as heartbeats, and positions in the answer as ids. */
import { type AnswerPosition, answerStart, formatPosition } from '../domain/answer-position';
import type { Chunk, Chunks } from './chunks';
import type { ErrorBody } from './gateway-error';
import type { TurnEvent } from './tell-turn';

export const eventStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx would keep the first tokens until it has some kilobytes of them.
  'x-accel-buffering': 'no',
} as const;

const comment = ': the turn is under way\n\n';
const done = 'data: [DONE]\n\n';

/**
 * The bytes of a stream. It ends with [DONE] only behind a finish_reason; an error is an event of its own, after which
 * the stream ends without either.
 */
export async function* eventStream(
  events: AsyncIterable<TurnEvent>,
  chunks: Chunks,
  alreadySent: AnswerPosition = answerStart,
): AsyncGenerator<string, void> {
  let position = alreadySent;
  if (position.offset === 0) yield event(position, chunks.role());
  for await (const told of events) {
    switch (told.kind) {
      case 'text':
        ({ position } = told);
        yield event(position, chunks.text(told.text));
        break;
      case 'quiet':
        yield comment;
        break;
      case 'failed':
        yield `data: ${JSON.stringify(told.error.body)}\n\n`;
        break;
      case 'answered':
        for (const chunk of chunks.ending(told.reply)) yield event(position, chunk);
        yield done;
        break;
    }
  }
}

/** `Last-Event-ID` with this id re-joins the turn behind this event. */
function event(position: AnswerPosition, data: Chunk | ErrorBody): string {
  return `id: ${formatPosition(position)}\ndata: ${JSON.stringify(data)}\n\n`;
}
