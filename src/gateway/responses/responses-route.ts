import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ProblemPath } from '../../contract/problem';
import { requirePermission } from '../access';
import { beginTurn, type BegunTurn, type RequestForm } from '../begin-turn';
import { ignoredFields } from '../chat-request';
import { turnHeadersSchema } from '../completions-route';
import type { GatewayContext } from '../context';
import { describeErrors, errorsOfRequests, errorsOfTurns } from '../error-schema';
import { badRequest, GatewayError } from '../gateway-error';
import type { GatewayServer } from '../server';
import { turnName } from '../../contract/names';
import { sendTurn } from '../send-turn';
import { joinTurn } from '../wait-for-turn';
import { followTurn } from '../follow-turn';
import { traceTurn } from '../trace-turns';
import { readItems } from './input-items';
import { repeatedResponse } from './repeated-response';
import { positionOf, ResponseEvents } from './response-events';
import { boundedEcho, responseId, responseSchema, toResponse, unfinishedResponse } from './response-object';
import {
  chatOptionsOf,
  conversationOf,
  echoOf,
  instructionsOf,
  pathInResponseRequest,
  refuseLongItems,
  type ResponseRequest,
  responseRequestSchema,
} from './response-request';
import { continued, echoOfInput, findResponse, readResponse, withoutReferences } from './stored-responses';

/** `POST /v1/responses`, and what is kept of it. */
export function responsesRoutes(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/responses',
    {
      onRequest: [requirePermission('send-turns'), traceTurn(context)],
      preValidation: async ({ body }, reply) => {
        refuseLongItems(body);
        const ignored = ignoredFields(body, responseRequestSchema.shape);
        if (ignored.length > 0) reply.header('x-bellwether-ignored', ignored.join(', '));
      },
      schema: {
        summary: 'One durable turn, as a response',
        headers: turnHeadersSchema,
        body: responseRequestSchema,
        response: {
          200: {
            description: 'The whole response, or one that is under way; with stream: true its events.',
            content: { 'application/json': { schema: responseSchema }, 'text/event-stream': { schema: z.string() } },
          },
          ...describeErrors(...errorsOfRequests, 'previous_response_not_found', 'item_not_found', ...errorsOfTurns),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const say = context.readers.sayOf(request, { begins: true });
      const begun = beginResponse(context, request, body).catch(async (error: unknown) => {
        const repeated = isAboutGone(error) ? await repeatedResponse(context, request, body) : null;
        if (repeated === null) throw aboutInput(error);
        return repeated;
      });
      // Whoever asks for an answer in the background will leave.
      const heard = body.background === true ? null : say;
      const { end, ...turn } = await followTurn(context, request, reply, { begun, say: heard });
      const echo = echoOf(body);
      if (body.stream === true) {
        return sendTurn(context, reply, { turnName: turn.turnName, end, form: new ResponseEvents(turn, echo) });
      }
      if (body.background === true) {
        const ended = await Promise.race([end, turn.begun]);
        if (ended === undefined) return unfinishedResponse('queued', turn, echo);
      }
      const ended = await end;
      if ('error' in ended) throw aboutInput(ended.error);
      return toResponse(ended.reply, turn, echo);
    },
  );

  const onRequest = requirePermission('read-own-turns');
  server.get(
    '/v1/responses/:response',
    {
      onRequest,
      schema: {
        summary: 'A stored response, also while it is being made',
        description:
          'With stream=true its events, from the beginning or behind the one that starting_after names; 412 when the answer is another one by now.',
        params,
        querystring,
        response: {
          200: {
            description: 'The response; with stream=true its events.',
            content: { 'application/json': { schema: responseSchema }, 'text/event-stream': { schema: z.string() } },
          },
          ...describeErrors(
            'invalid_value',
            'wrong_key_role',
            'response_not_found',
            'rejoined_stream_diverged',
            ...errorsOfTurns,
          ),
        },
      },
    },
    async (request, reply) => {
      const { apiKey, query, log, open } = request;
      const say = context.readers.sayOf(request, { begins: false });
      const { response } = request.params;
      const found = await findResponse(context, apiKey, response);
      if (query.stream !== 'true') {
        if (query.starting_after !== undefined) {
          throw badRequest('starting_after is for streams: send stream=true with it.', 'starting_after');
        }
        return readResponse(context, found, log);
      }
      reply.header('x-bellwether-turn-id', found.turnId);
      const end = joinTurn(context, found, log);
      open.keepUntil(end);
      const after = query.starting_after ?? -1;
      const form = new ResponseEvents(found, await echoOfInput(context, found), after);
      const name = turnName(found.turnId, found.sessionId);
      context.readers.add({ ...found, turnName: name, end }, say, reply, request);
      return sendTurn(context, reply, {
        turnName: name,
        end,
        form,
        alreadySent: positionOf(after),
        rejoinsBy: 'starting_after',
      });
    },
  );

  // Without these, their paths would be those of responses with such names, which take no POST.
  for (const operation of ['compact', 'input_tokens']) {
    server.post(`/v1/responses/${operation}`, { schema: { hide: true } }, async (_request, reply) =>
      reply.callNotFound(),
    );
  }

  server.delete(
    '/v1/responses/:response',
    {
      onRequest: requirePermission('send-turns'),
      schema: {
        summary: 'Delete a stored response',
        description: 'Nobody can ask for it, continue it or refer to its items any more. What it cost stays recorded.',
        params,
        response: {
          200: z.object({ id: z.string(), object: z.literal('response'), deleted: z.literal(true) }),
          ...describeErrors('wrong_key_role', 'response_not_found'),
        },
      },
    },
    async ({ apiKey, params: { response } }) => {
      const { turnId } = await findResponse(context, apiKey, response);
      await context.ledger.requests.deleteResponse(turnId);
      return { id: responseId(turnId), object: 'response' as const, deleted: true as const };
    },
  );
}

const params = z.object({ response: z.string() });

const querystring = z.object({
  stream: z.enum(['true', 'false']).optional(),
  starting_after: z.coerce
    .number()
    .int()
    .min(0)
    .max(0x7fffffff)
    .optional()
    .describe('The sequence_number of the last event that the client has.'),
});

/** Begins the turn that a request for a response asks for. @throws {GatewayError} */
async function beginResponse(
  context: GatewayContext,
  request: FastifyRequest,
  body: ResponseRequest,
): Promise<BegunTurn> {
  const { apiKey } = request;
  const { input, previous_response_id: previousId } = body;
  const conversation = conversationOf(body);
  refuseContradictions(body, conversation);
  const previous = previousId ? await continued(context, apiKey, previousId) : null;
  const items = typeof input === 'string' ? input : await withoutReferences(context, apiKey, input);
  const history = previous?.kind === 'history' ? previous.messages : [];
  const known = new Set(history.flatMap(({ tool_calls }) => (tool_calls ?? []).map(({ id }) => id)));
  const hasMemory = previous ? previous.kind === 'session' : conversation !== null || namesSession(request, body);
  const read = readItems(items, hasMemory ? null : known);
  if (read.messages.length === 0) throw badRequest('input holds nothing that a model could answer.', 'input');
  const paths: readonly ProblemPath[] = [...history.map(() => ['previous_response_id']), ...read.paths];
  const chat = {
    ...chatOptionsOf(body),
    messages: [...(history as typeof read.messages), ...read.messages],
  };
  const form: RequestForm = {
    hashed: body,
    instructions: instructionsOf(body) ?? undefined,
    echo: boundedEcho(echoOf(body)),
    session: sessionOfResponse(previous, conversation),
    response: body.store === false ? 'unstored' : 'stored',
    pathOf: (path) => pathInResponseRequest(path, paths),
  };
  return beginTurn(context, request, chat, form);
}

type Previous = Awaited<ReturnType<typeof continued>> | null;

function sessionOfResponse(previous: Previous, conversation: string | null): RequestForm['session'] {
  if (previous?.kind === 'session') {
    return { kind: 'following', sessionId: previous.sessionId, turnId: previous.turnId };
  }
  if (previous !== null) return { kind: 'none' };
  return conversation === null ? null : { kind: 'named', name: conversation, field: 'conversation' };
}

function refuseContradictions(
  { previous_response_id: previousId, store, background }: ResponseRequest,
  conversation: string | null,
) {
  if (background === true && store === false) {
    throw badRequest('background is true, and store is false: nobody could come back for the answer.', 'store');
  }
  if (conversation === null) return;
  if (previousId) {
    throw badRequest(
      'previous_response_id and conversation both say what came before: send one of them.',
      'conversation',
    );
  }
  if (store === false) {
    throw badRequest('store is false, and conversation is remembered: leave out one of them.', 'store');
  }
}

/** Whether the result of a call may be one that only a session remembers. */
function namesSession({ headers }: FastifyRequest, { metadata }: ResponseRequest): boolean {
  return headers['x-bellwether-session'] !== undefined || metadata?.['session_id'] !== undefined;
}

/** Whether a request names what is not there, any more or at all. */
function isAboutGone(error: unknown): boolean {
  return error instanceof GatewayError && ['previous_response_not_found', 'item_not_found'].includes(error.fields.code);
}

/** What is wrong with messages is wrong with the input. */
function aboutInput(error: unknown): unknown {
  return error instanceof GatewayError && error.fields.param === 'messages' ? error.with({ param: 'input' }) : error;
}
