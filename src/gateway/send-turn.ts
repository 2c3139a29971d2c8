import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { ChatReply } from '../contract/chat';
import type { AnswerPosition } from '../domain/stream/answer-so-far';
import type { GatewayContext } from './context';
import type { GatewayError } from './gateway-error';
import { streamTurnEvents, type TurnEnd, type TurnEvent } from './stream-turn-events';

/** What may wait in this process for one slow reader, beside what the kernel holds for it. */
const bufferedBytes = 16 * 1024;

/** A turn's events as their route describes them: each text is one server-sent event, or several. */
export interface EventForm {
  /** Before everything else. */
  begin(): Iterable<string>;
  /** `position`: up to where the reader has the answer with this text. */
  text(text: string, position: AnswerPosition): Iterable<string>;
  answered(reply: ChatReply): Iterable<string>;
  failed(error: GatewayError): Iterable<string>;
}

export interface SentTurn {
  readonly turnName: string;
  readonly end: Promise<TurnEnd>;
  readonly form: EventForm;
  readonly alreadySent?: AnswerPosition | undefined;
  /** See `StreamTurnEventsOptions`. */
  readonly rejoinsBy?: string;
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
    ...(sent.rejoinsBy !== undefined && { rejoinsBy: sent.rejoinsBy }),
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
  const bytes = eventStream(measured(), sent.form);
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

/** Server-sent events as OpenAI's clients read them: `data:` lines, and comments as heartbeats. */
const eventStreamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx would keep the first tokens until it has some kilobytes of them.
  'x-accel-buffering': 'no',
} as const;

const comment = ': the turn is under way\n\n';

async function* eventStream(events: AsyncIterable<TurnEvent>, form: EventForm): AsyncGenerator<string, void> {
  yield* form.begin();
  for await (const told of events) {
    switch (told.kind) {
      case 'text':
        yield* form.text(told.text, told.position);
        break;
      case 'quiet':
        yield comment;
        break;
      case 'failed':
        yield* form.failed(told.error);
        break;
      case 'answered':
        yield* form.answered(told.reply);
        break;
    }
  }
}
