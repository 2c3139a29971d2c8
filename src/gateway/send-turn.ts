import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { ChatReply } from '../contract/chat';
import { type AnswerPosition, answerStart, formatPosition } from '../domain/stream/answer-so-far';
import type { GatewayContext } from './context';
import { streamTurnEvents, type TurnEnd, type TurnEvent } from './stream-turn-events';

/** What may wait in this process for one slow reader, beside what the kernel holds for it. */
const bufferedBytes = 16 * 1024;

/** The events of a stream, in the form that its route describes. */
interface TurnChunks {
  /** Begins every stream. */
  role(): object;
  text(text: string): object;
  ending(reply: ChatReply): Iterable<object>;
}

export interface SentTurn {
  readonly turnName: string;
  readonly end: Promise<TurnEnd>;
  readonly chunks: TurnChunks;
  readonly alreadySent?: AnswerPosition;
}

/**
 * Sends a turn as a stream. Its headers wait a moment for the first event, so that most errors have a status; later ones
 * are events. A client that goes ends the reading, and nothing else.
 * @throws {GatewayError}
 */
export async function sendTurn(context: GatewayContext, reply: FastifyReply, sent: SentTurn): Promise<FastifyReply> {
  const { streams, limits, metrics } = context;
  const gone = new AbortController();
  const startedAtMs = Date.now();
  const events = streamTurnEvents({
    turnName: sent.turnName,
    streams,
    end: sent.end,
    alreadySent: sent.alreadySent,
    heartbeatMs: limits.heartbeatMs,
    gone: gone.signal,
    onDivergence: () => metrics.streamDiverged(),
  });

  const first = events.next();
  // Whatever ended the connection: events that nobody takes any more would hold their reader for ever.
  const stopReading = (): void => {
    gone.abort();
    void events.return();
  };
  void sent.end.then(() => {
    // A stream that nobody reads would hold its place for ever.
    const leaving = setTimeout(() => reply.raw.destroy(), limits.readWithinMs);
    reply.raw.once('close', () => clearTimeout(leaving));
    if (reply.raw.destroyed) clearTimeout(leaving);
  });
  if (reply.raw.destroyed) stopReading();
  else reply.raw.once('close', stopReading);
  const early = await Promise.race([first, delay(limits.holdHeadersMs, null, { ref: false })]);
  if (reply.raw.destroyed) return reply.hijack();
  if (early?.value?.kind === 'failed') throw early.value.error;

  metrics.streamOpened();
  reply.raw.once('close', () => metrics.streamClosed());
  const bytes = eventStream(measured(), sent.chunks, sent.alreadySent);
  return reply
    .headers(eventStreamHeaders)
    .send(Readable.from(bytes, { objectMode: false, highWaterMark: bufferedBytes }));

  async function* measured(): AsyncGenerator<TurnEvent, void> {
    let isFirst = true;
    for (let next = await first; !next.done; next = await events.next()) {
      if (isFirst && next.value.kind === 'text') {
        metrics.firstToken(Date.now() - startedAtMs);
        isFirst = false;
      }
      yield next.value;
    }
  }
}

/** Server-sent events as OpenAI's clients read them: `data:` lines, comments as heartbeats, and positions in the answer as ids. */
const eventStreamHeaders = {
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
async function* eventStream(
  events: AsyncIterable<TurnEvent>,
  chunks: TurnChunks,
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
function event(position: AnswerPosition, data: object): string {
  return `id: ${formatPosition(position)}\ndata: ${JSON.stringify(data)}\n\n`;
}
