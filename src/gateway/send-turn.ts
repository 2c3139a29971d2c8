import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import type { AnswerPosition } from '../domain/answer-position';
import type { Chunks } from './chunks';
import { eventStream, eventStreamHeaders } from './event-stream';
import type { GatewayContext } from './context';
import { tellTurn, type TurnEnd, type TurnEvent } from './tell-turn';

/** What may wait in this process for one slow reader, beside what the kernel holds for it. */
const bufferedBytes = 16 * 1024;

export interface SentTurn {
  readonly turnName: string;
  readonly end: Promise<TurnEnd>;
  readonly chunks: Chunks;
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
  const events = tellTurn({
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
