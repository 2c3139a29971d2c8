import type { FastifyBaseLogger } from 'fastify';
import { z } from 'zod';
import {
  DeadlineExceededError,
  TurnFailedError,
  TurnNotFoundError,
  TurnNotKeptError,
  TurnTooLateError,
} from '../client/errors';
import { turnName } from '../contract/names';
import { type AnswerPosition, parsePosition } from '../domain/stream/answer-so-far';
import { type ApiKey, mayKey } from '../contract/api-keys';
import type { FoundRequest } from '../contract/ledger';
import { requirePermission } from './access';
import { idProblem } from '../domain/turn/validate-input';
import { ChunkEvents } from './chunk-events';
import { Chunks } from './chunks';
import { completionSchema, createdOf, toCompletion } from './completion';
import type { GatewayContext } from './context';
import { describeErrors, errorFieldsSchema, errorsOfTurns } from './error-schema';
import { badRequest, GatewayError } from './gateway-error';
import { stoppedUnbegun, toGatewayError } from './handle-errors';
import { sendTurn } from './send-turn';
import type { GatewayServer } from './server';
import { routedModel } from '../domain/turn/model-names';
import type { TurnEnd } from './stream-turn-events';
import { endOf, joinTurn } from './wait-for-turn';

export const turnSchema = z.object({
  id: z.string(),
  object: z.literal('bellwether.turn'),
  created: z.int(),
  status: z.enum(['in_progress', 'answered', 'failed', 'blocked', 'stopped']),
  completion: completionSchema
    .nullable()
    .describe('The answer, as the request for it got it; null too when it is kept no longer, or is not of a chat.'),
  error: errorFieldsSchema.nullable().describe('Why there is none.'),
});

const statuses = {
  'in-progress': 'in_progress',
  answered: 'answered',
  degraded: 'failed',
  refused: 'blocked',
  stopped: 'stopped',
} as const;

/** A turn that has ended is only looked up; Temporal answers that in milliseconds, and in seconds while it restarts. */
const lookUpDeadlineMs = 10_000;

/** A turn that waits behind another one does not hold up whoever asks for it. */
const unadmittedDeadlineMs = 1_000;

const params = z.object({ turn: z.string() });

/** `GET /v1/turns/{id}`, and its stream, for the key that made the turn and for operators. */
export function turnsRoutes(server: GatewayServer, context: GatewayContext): void {
  const onRequest = requirePermission('read-own-turns');
  server.get(
    '/v1/turns/:turn',
    {
      onRequest,
      schema: {
        summary: 'A turn, and its answer once it has one',
        params,
        response: {
          200: turnSchema,
          ...describeErrors('wrong_key_role', 'turn_not_found', 'temporal_unreachable', 'deadline_exceeded'),
        },
      },
    },
    async ({ apiKey, params: { turn }, log }) => {
      return describeTurn(context, await findOwn(context, apiKey, turn), log);
    },
  );

  server.get(
    '/v1/turns/:turn/stream',
    {
      onRequest,
      schema: {
        summary: 'Join the stream of a turn',
        description: 'Begins behind the event that Last-Event-ID names; 412 when the answer is another one by now.',
        params,
        headers: z.looseObject({ 'last-event-id': z.string().optional() }),
        response: {
          200: { description: 'As a streamed completion.', content: { 'text/event-stream': { schema: z.string() } } },
          ...describeErrors(
            'invalid_value',
            'wrong_key_role',
            'turn_not_found',
            'rejoined_stream_diverged',
            ...errorsOfTurns,
          ),
        },
      },
    },
    async (request, reply) => {
      const { apiKey, headers, log, open } = request;
      const { turn } = request.params;
      const say = context.readers.sayOf(request, { begins: false });
      const found = await findOwn(context, apiKey, turn);
      const alreadySent = positionOf(headers['last-event-id']);
      reply.header('x-bellwether-turn-id', found.turnId);
      const end = joinTurn(context, found, log);
      open.keepUntil(end);
      const form = new ChunkEvents(new Chunks(found, routedModel, true), alreadySent);
      const name = turnName(found.turnId, found.sessionId);
      context.readers.add({ ...found, turnName: name, end }, say, reply, request);
      return sendTurn(context, reply, { turnName: name, end, form, alreadySent });
    },
  );
}

/** What a turn has become. */
export async function describeTurn(
  context: GatewayContext,
  found: FoundRequest,
  log: FastifyBaseLogger,
): Promise<z.output<typeof turnSchema>> {
  const turnFrame = { id: found.turnId, object: 'bellwether.turn' as const, created: createdOf(found) };
  const status = statuses[found.outcome];
  const end = await lookUp(context, found, log);
  if (status === 'stopped') {
    const { fields } = end !== null && 'error' in end ? end.error : stoppedUnbegun;
    return { ...turnFrame, status, completion: null, error: fields };
  }
  if (end === null) return { ...turnFrame, status, completion: null, error: null };
  if ('reply' in end) {
    // Vectors belong to the form in which a request asked for them.
    if (end.reply.operation !== undefined) return { ...turnFrame, status: 'answered', completion: null, error: null };
    return { ...turnFrame, status: 'answered', completion: toCompletion(end.reply, found), error: null };
  }
  return {
    ...turnFrame,
    status: status === 'blocked' ? status : 'failed',
    completion: null,
    error: end.error.fields,
  };
}

/**
 * The key's own turn, or for keys that may read all turns any. A turn of another key is not found either: nobody learns that
 * it exists. @throws {GatewayError}
 */
export async function findOwn(
  { ledger }: Pick<GatewayContext, 'ledger'>,
  apiKey: ApiKey,
  turnId: string,
): Promise<FoundRequest> {
  // PostgreSQL rejects some texts that are not ids, such as one with NUL.
  const found = idProblem(['turn'], turnId) === null ? await ledger.requests.find(turnId) : null;
  if (found === null || (found.keyId !== apiKey.id && !mayKey(apiKey, 'read-all-turns'))) {
    throw new GatewayError('turn_not_found', 'There is no such turn of this API key.');
  }
  return found;
}

/**
 * null: the turn is still under way, or has ended with an answer that Temporal does not keep any more. One that is too old
 * to be under way and that nobody ever recorded was stopped, or never begun.
 */
export async function lookUp(
  context: GatewayContext,
  found: FoundRequest,
  log: FastifyBaseLogger,
): Promise<TurnEnd | null> {
  if (mayBeUnderWay(context, found)) return endUnknownToLedger(context, found);
  const { client } = context;
  const { turnId, sessionId, outcome } = found;
  try {
    const options = { ...(sessionId !== null && { sessionId }), deadlineMs: lookUpDeadlineMs };
    return endOf(await client.turn(turnId, options));
  } catch (error) {
    const isRecorded = outcome !== 'in-progress';
    if (error instanceof TurnNotKeptError || (error instanceof TurnNotFoundError && isRecorded)) return null;
    if (error instanceof DeadlineExceededError && !isRecorded) return null;
    const isEnded = [TurnNotFoundError, TurnFailedError, TurnTooLateError].some((type) => error instanceof type);
    if (isEnded) return { error: toGatewayError(error, log) };
    throw error;
  }
}

export function mayBeUnderWay(
  { turnDeadlineMs }: Pick<GatewayContext, 'turnDeadlineMs'>,
  { outcome, createdAtMs }: Pick<FoundRequest, 'outcome' | 'createdAtMs'>,
): boolean {
  return outcome === 'in-progress' && Date.now() < createdAtMs + turnDeadlineMs;
}

/** The ledger never learns the end of a message that waits for a person; only its conversation knows it. */
async function endUnknownToLedger(
  { client }: GatewayContext,
  { turnId, sessionId, isAdmitted }: FoundRequest,
): Promise<TurnEnd | null> {
  if (sessionId === null || isAdmitted) return null;
  try {
    const reply = await client.turn(turnId, { sessionId, deadlineMs: unadmittedDeadlineMs });
    return reply.success ? { reply } : null;
  } catch {
    return null; // it has not begun, waits for another turn, or Temporal does not answer now
  }
}

function positionOf(lastEventId: string | undefined): AnswerPosition | undefined {
  if (lastEventId === undefined) return undefined;
  const position = parsePosition(lastEventId);
  if (position !== null) return position;
  throw badRequest(
    'Last-Event-ID must be the id of an event of this stream, as it came. Leave it out to read from the beginning.',
    'Last-Event-ID',
  );
}
