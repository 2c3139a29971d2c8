import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { ConversationNotFoundError } from '../client/errors';
import { turnName } from '../contract/names';
import type { FoundRequest } from '../ledger/requests';
import { chatTurnProblem, conversationProblem, sendMessageProblem } from '../domain/validate-input';
import { hashOf } from '../client/canonical-json';
import type { ChatRequest } from './chat-request';
import type { RegisteredTurn } from './completion';
import type { GatewayContext } from './context';
import { sessionOf, userOf, type SessionName } from './conversation-of';
import { badRequest } from './gateway-error';
import type { TurnEnd } from './tell-turn';
import { problemInRequest, sessionTurn, statelessTurn, type TurnCall } from './to-turn';
import { joinTurn, waitForTurn } from './wait-for-turn';

export interface BegunTurn extends RegisteredTurn {
  /** The turn's stream. */
  readonly turnName: string;
  readonly end: Promise<TurnEnd>;
}

/** Long enough for any client's key (a UUID has 36 characters), short enough for an index. */
const maxIdempotencyKeyLength = 255;

/**
 * Begins the turn that a request asks for, or joins the one that an earlier request with its Idempotency-Key began.
 * What is wrong with the request is found before it is registered, so that its key can be used again.
 * @throws {GatewayError}
 */
export async function beginTurn(
  context: GatewayContext,
  { headers, apiKey, log }: FastifyRequest,
  body: ChatRequest,
): Promise<BegunTurn> {
  const { preferred } = context.models.find(body.model, apiKey);
  const named = sessionOf(headers, body, apiKey.id);
  const userId = userOf(headers, body);
  const idempotencyKey = idempotencyKeyOf(headers);
  const callFor = (turnId: string, sessionId: string | null): TurnCall => {
    const frame = { turnId, keyId: apiKey.id, userId, model: preferred, deadlineMs: context.turnDeadlineMs };
    return sessionId === null ? statelessTurn(body, frame) : sessionTurn(body, sessionId, frame);
  };

  const newTurnId = randomUUID();
  const sessionId = named !== null && !(await isAside(context, named, body)) ? named.id : null;
  refuseInvalid(callFor(newTurnId, null));
  if (sessionId !== null) refuseInvalid(callFor(newTurnId, sessionId));
  const bodyHash = hashOf({ body, session: named?.id, userId });
  const registered = await context.ledger.requests.register({
    turnId: newTurnId,
    keyId: apiKey.id,
    sessionId,
    idempotencyKey,
    bodyHash,
    atMs: Date.now(),
  });
  if (registered.bodyHash !== bodyHash) {
    throw badRequest(
      'This Idempotency-Key was used before, with another request. Use a new key for each request.',
      'Idempotency-Key',
      'idempotency_key_reused',
      422,
    );
  }
  const { turnId, createdAtMs, isNew } = registered;
  const turn = { turnId, createdAtMs, turnName: turnName(turnId, registered.sessionId) };
  const ended = isNew ? null : await endedTurn(context, turnId);
  // It was paid once: what Temporal has forgotten of it is never begun anew.
  if (ended !== null) return { ...turn, end: joinTurn(context, ended, log) };
  const call = callFor(turnId, registered.sessionId);
  const end = waitForTurn(context, call, { isNew, joins: idempotencyKey !== null, log });
  return { ...turn, end };
}

async function endedTurn({ ledger }: GatewayContext, turnId: string): Promise<FoundRequest | null> {
  const found = await ledger.requests.find(turnId);
  return found === null || found.outcome === 'in-progress' ? null : found;
}

/**
 * Chat applications ask for titles, tags and follow-up questions under the conversation's id, in one message that quotes
 * it. They resend their history otherwise, so a message that comes alone into a conversation that has begun is such a
 * request: it is answered beside the conversation and not remembered in it.
 */
async function isAside({ client }: GatewayContext, session: SessionName, body: ChatRequest): Promise<boolean> {
  if (!session.isChatApp || body.messages.some(({ role }) => role === 'assistant')) return false;
  try {
    return (await client.spend(session.id)).turns > 0;
  } catch (error) {
    if (error instanceof ConversationNotFoundError) return false;
    throw error;
  }
}

function refuseInvalid(call: TurnCall): void {
  const problem =
    call.kind === 'stateless'
      ? chatTurnProblem(call.options)
      : (conversationProblem(call.options) ?? sendMessageProblem(call.options));
  if (problem === null) return;
  const located = problemInRequest(problem, call);
  throw badRequest(`${located}.`, located.split(' ', 1)[0] ?? null);
}

function idempotencyKeyOf(headers: IncomingHttpHeaders): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key) || key.length > maxIdempotencyKeyLength) {
    throw badRequest(
      `Idempotency-Key must be 1 to ${maxIdempotencyKeyLength} visible ASCII characters without spaces.`,
      'Idempotency-Key',
    );
  }
  return key;
}
