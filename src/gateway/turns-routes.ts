import { z } from 'zod';
import { TurnNotFoundError } from '../client/errors';
import type { ChatReply } from '../contract/chat';
import type { ApiKey } from '../ledger/api-keys';
import type { FoundRequest } from '../ledger/requests';
import { Chunks } from './chunks';
import { completionSchema, createdOf, toCompletion } from './completion';
import type { GatewayContext } from './context';
import { describedErrors, errorFieldsSchema } from './error-schema';
import { badRequest, notFound } from './gateway-error';
import { sendTurn } from './send-turn';
import type { GatewayServer } from './server';
import { routedModel } from './model-names';
import type { TurnEnd } from './tell-turn';
import { errorOfReply } from './turn-errors';
import { joinTurn } from './wait-for-turn';

const turnSchema = z.object({
  id: z.string(),
  object: z.literal('bellwether.turn'),
  created: z.int(),
  status: z.enum(['in_progress', 'answered', 'failed', 'blocked']),
  completion: completionSchema
    .nullable()
    .describe('The answer, as the request for it got it; null too when it is kept no longer.'),
  error: errorFieldsSchema.nullable().describe('Why there is none.'),
});

const statuses = {
  'in-progress': 'in_progress',
  answered: 'answered',
  degraded: 'failed',
  refused: 'blocked',
} as const;

/** A turn that has ended is only looked up; Temporal answers that in milliseconds, and in seconds while it restarts. */
const lookUpDeadlineMs = 10_000;

const params = z.object({ turn: z.string() });

/** `GET /v1/turns/{id}`, and its stream, for the key that made the turn and for operators. */
export function turnsRoutes(server: GatewayServer, context: GatewayContext): void {
  server.get(
    '/v1/turns/:turn',
    {
      schema: {
        summary: 'A turn, and its answer once it has one',
        params,
        response: { 200: turnSchema, ...describedErrors },
      },
    },
    async ({ apiKey, params: { turn } }) => {
      const found = await findOwn(context, apiKey, turn);
      const reply = found.outcome === 'in-progress' ? null : await lookUp(context, found);
      return {
        id: found.turnId,
        object: 'bellwether.turn' as const,
        created: createdOf(found),
        status: statuses[found.outcome],
        completion: reply?.success ? toCompletion(reply, found) : null,
        error: reply && !reply.success ? errorOfReply(reply).fields : null,
      };
    },
  );

  server.get(
    '/v1/turns/:turn/stream',
    {
      schema: {
        summary: 'Join the stream of a turn',
        description: 'Begins at the offset in Last-Event-ID, which is the id of the last event that was received.',
        params,
        headers: z.looseObject({ 'last-event-id': z.string().optional() }),
        response: {
          200: { description: 'As a streamed completion.', content: { 'text/event-stream': { schema: z.string() } } },
          ...describedErrors,
        },
      },
    },
    async ({ apiKey, params: { turn }, headers, log }, reply) => {
      const found = await findOwn(context, apiKey, turn);
      const alreadySent = offsetOf(headers['last-event-id']);
      reply.header('x-bellwether-turn-id', found.turnId);
      const end = joinTurn(context, found, log).then((ended) => refuseBeyond(ended, alreadySent));
      const chunks = new Chunks(found, routedModel, true);
      return sendTurn(context, reply, { turnId: found.turnId, end, chunks, alreadySent });
    },
  );
}

/** Also a turn of another key is not found: nobody learns that it exists. @throws {GatewayError} */
async function findOwn({ ledger }: GatewayContext, apiKey: ApiKey, turnId: string): Promise<FoundRequest> {
  const found = await ledger.requests.find(turnId);
  if (found === null || (found.keyId !== apiKey.id && apiKey.role !== 'operator')) {
    throw notFound('There is no such turn of this API key.', 'turn_not_found');
  }
  return found;
}

/** null when Temporal does not keep it any more; the ledger still knows how it ended. */
async function lookUp({ client }: GatewayContext, { turnId, sessionId }: FoundRequest): Promise<ChatReply | null> {
  try {
    return await client.turn(turnId, { ...(sessionId !== null && { sessionId }), deadlineMs: lookUpDeadlineMs });
  } catch (error) {
    if (error instanceof TurnNotFoundError) return null;
    throw error;
  }
}

function offsetOf(lastEventId: string | undefined): number {
  const text = lastEventId ?? '0';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw badRequest('Last-Event-ID must be the id of an event of this stream: a whole number.', 'Last-Event-ID');
}

function refuseBeyond(end: TurnEnd, alreadySent: number): TurnEnd {
  if ('error' in end || alreadySent <= end.reply.content.length) return end;
  const { length } = end.reply.content;
  const message = `Last-Event-ID is ${alreadySent}, and the answer ends at ${length}.`;
  return { error: badRequest(message, 'Last-Event-ID') };
}
