import { requirePermission } from '../access';
import { ChunkEvents } from '../chunk-events';
import { beginTurn } from '../begin-turn';
import { ignoredFields } from '../chat-request';
import { turnHeadersSchema } from '../completions-route';
import type { GatewayContext } from '../context';
import { describeErrors, errorsOfRequests, errorsOfTurns } from '../error-schema';
import { GatewayError } from '../gateway-error';
import { sendTurn } from '../send-turn';
import type { GatewayServer } from '../server';
import { followTurn } from '../follow-turn';
import { traceTurn } from '../trace-turns';
import { TextChunks, textCompletionSchema, toTextCompletion } from './completion';
import { textRequestSchema, toChatRequest } from './request';

/** `POST /v1/completions`, for clients from before chat completions: a chat turn whose only message is the prompt. */
export function textCompletionsRoute(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/completions',
    {
      onRequest: [requirePermission('send-turns'), traceTurn(context)],
      preValidation: async ({ body }, reply) => {
        const ignored = ignoredFields(body, textRequestSchema.shape);
        if (ignored.length > 0) reply.header('x-bellwether-ignored', ignored.join(', '));
      },
      schema: {
        summary: 'One durable turn for a prompt, as a text completion',
        headers: turnHeadersSchema,
        body: textRequestSchema,
        response: {
          200: {
            description: 'The whole text; with stream: true its chunks, each a data line, and [DONE] at the end.',
            content: {
              'application/json': { schema: textCompletionSchema },
              'text/event-stream': { schema: textCompletionSchema },
            },
          },
          ...describeErrors(...errorsOfRequests, ...errorsOfTurns),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const say = context.readers.sayOf(request, { begins: true });
      const begun = beginTurn(context, request, toChatRequest(body)).catch((error: unknown) => {
        throw aboutPrompt(error);
      });
      const { end, ...turn } = await followTurn(context, request, reply, { begun, say });
      if (body.stream === true) {
        const chunks = new TextChunks(turn, body.model, body.stream_options?.include_usage === true);
        return sendTurn(context, reply, { turnName: turn.turnName, end, form: new ChunkEvents(chunks) });
      }
      const ended = await end;
      if ('error' in ended) throw aboutPrompt(ended.error);
      return toTextCompletion(ended.reply, turn);
    },
  );
}

/** What is wrong with the turn's only message is wrong with the prompt. */
function aboutPrompt(error: unknown): unknown {
  const isAboutMessages = error instanceof GatewayError && error.fields.param?.startsWith('messages') === true;
  return isAboutMessages ? error.with({ param: 'prompt' }) : error;
}
