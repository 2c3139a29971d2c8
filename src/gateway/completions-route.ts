import { z } from 'zod';
import { requirePermission } from './access';
import { onDisconnectChoices } from '../config/settings';
import { whileBusyPolicies } from '../contract/chat';
import { beginTurn, maxIdempotencyKeyLength, whileBusyHeader } from './begin-turn';
import { ChunkEvents } from './chunk-events';
import { chatRequestSchema, ignoredFields, refuseLongLists } from './chat-request';
import { chunkSchema, Chunks } from './chunks';
import { completionSchema, toCompletion } from './completion';
import type { GatewayContext } from './context';
import { describeErrors, errorsOfRequests, errorsOfTurns } from './error-schema';
import { followTurn } from './follow-turn';
import { traceTurn } from './trace-turns';
import { sendTurn } from './send-turn';
import type { GatewayServer } from './server';
import { onDisconnectHeader } from './turn-readers';

/** Described for whoever reads, as strictly as they are; what they may hold is decided where they are read. */
export const turnHeadersSchema = z.looseObject({
  'idempotency-key': z
    .string()
    .optional()
    .meta({ pattern: '^[\\x21-\\x7e]+$', minLength: 1, maxLength: maxIdempotencyKeyLength })
    .describe('The same key with the same request gets the same answer, and one turn is paid.'),
  'x-bellwether-session': z
    .string()
    .optional()
    .meta({ pattern: '\\S' })
    .describe("The conversation: its earlier turns are the service's memory, and only what is new in messages counts."),
  'x-bellwether-after': z
    .string()
    .optional()
    .describe(
      'The id of the turn of the session that the message follows, or `none`: its user has edited what came behind. What was said there stays in the transcript.',
    ),
  'x-bellwether-history': z
    .string()
    .optional()
    .describe(
      '`whole`: messages are all of the conversation, which its user may have edited. What they say was said before decides which turn this one follows, as with a chat application.',
    ),
  [whileBusyHeader]: z
    .string()
    .optional()
    .meta({ enum: [...whileBusyPolicies] })
    .describe('What becomes of this message while earlier ones of its session have no answer.'),
  [onDisconnectHeader]: z
    .string()
    .optional()
    .meta({ enum: [...onDisconnectChoices] })
    .describe('What becomes of the turn when the last client that waits for it here has left.'),
});

/** `POST /v1/chat/completions`, plain and streamed. */
export function completionsRoute(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/chat/completions',
    {
      onRequest: [requirePermission('send-turns'), traceTurn(context)],
      preValidation: async ({ body }, reply) => {
        refuseLongLists(body);
        const ignored = ignoredFields(body);
        if (ignored.length > 0) reply.header('x-bellwether-ignored', ignored.join(', '));
      },
      schema: {
        summary: 'One durable turn',
        headers: turnHeadersSchema,
        body: chatRequestSchema,
        response: {
          200: {
            description: 'The whole answer; with stream: true its chunks, each a data line, and [DONE] at the end.',
            content: { 'application/json': { schema: completionSchema }, 'text/event-stream': { schema: chunkSchema } },
          },
          ...describeErrors(...errorsOfRequests, ...errorsOfTurns),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const say = context.readers.sayOf(request, { begins: true });
      const begun = beginTurn(context, request, body);
      const { end, ...turn } = await followTurn(context, request, reply, { begun, say });
      if (body.stream === true) {
        const chunks = new Chunks(turn, body.model, body.stream_options?.include_usage === true);
        return sendTurn(context, reply, { turnName: turn.turnName, end, form: new ChunkEvents(chunks) });
      }
      const ended = await end;
      if ('error' in ended) throw ended.error;
      return toCompletion(ended.reply, turn);
    },
  );
}
