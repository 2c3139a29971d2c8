import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { ProblemPath } from '../../contract/problem';
import { requirePermission } from '../access';
import { beginTurn, type BegunTurn, type RequestForm } from '../begin-turn';
import { ignoredFields } from '../chat-request';
import { turnHeadersSchema } from '../completions-route';
import type { GatewayContext } from '../context';
import { describeErrors, errorsOfTurns } from '../error-schema';
import { badRequest, GatewayError } from '../gateway-error';
import type { GatewayServer } from '../server';
import { noteTurn, traceTurn } from '../trace-turns';
import { readItems } from './input-items';
import { boundedEcho, responseId, responseSchema, toResponse } from './response-object';
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
import { continued, findResponse, readResponse, withoutReferences } from './stored-responses';

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
          200: responseSchema,
          ...describeErrors(
            'invalid_value',
            'invalid_json',
            'invalid_body',
            'previous_response_not_found',
            'item_not_found',
            'model_not_allowed',
            'wrong_key_role',
            'model_not_found',
            'request_too_large',
            'unsupported_media_type',
            'idempotency_key_reused',
            'turns_cannot_begin',
            ...errorsOfTurns,
          ),
        },
      },
    },
    async (request, reply) => {
      if (request.body.stream === true) throw badRequest('stream is not offered yet.', 'stream');
      const say = context.readers.sayOf(request, { begins: true });
      const begun = beginResponse(context, request, request.body).catch((error: unknown) => {
        throw aboutInput(error);
      });
      request.open.keepUntil(begun.then(({ end }) => end));
      const { end, ...turn } = await begun;
      noteTurn(request, { ...turn, end });
      context.readers.add({ ...turn, end }, say, reply, request);
      reply.header('x-bellwether-turn-id', turn.turnId);
      const ended = await end;
      if ('error' in ended) throw aboutInput(ended.error);
      return toResponse(ended.reply, turn, echoOf(request.body));
    },
  );

  const onRequest = requirePermission('read-own-turns');
  server.get(
    '/v1/responses/:response',
    {
      onRequest,
      schema: {
        summary: 'A stored response, also while it is being made',
        params,
        response: {
          200: responseSchema,
          ...describeErrors(
            'wrong_key_role',
            'response_not_found',
            'turn_not_kept',
            'temporal_unreachable',
            'deadline_exceeded',
          ),
        },
      },
    },
    async ({ apiKey, params: { response }, log }) => {
      const found = await findResponse(context, apiKey, response);
      return readResponse(context, found, log);
    },
  );

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
  const hasMemory = conversation !== null || previous?.kind === 'session' || namesSession(request, body);
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
  return conversation === null ? null : { kind: 'named', name: conversation, field: 'conversation' };
}

function refuseContradictions(
  { previous_response_id: previousId, store }: ResponseRequest,
  conversation: string | null,
) {
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

/** What is wrong with messages is wrong with the input. */
function aboutInput(error: unknown): unknown {
  return error instanceof GatewayError && error.fields.param === 'messages' ? error.with({ param: 'input' }) : error;
}
