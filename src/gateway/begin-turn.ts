import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { ConversationNotFoundError } from '../client/errors';
import type { FoundRequest } from '../contract/ledger';
import { turnName } from '../contract/names';
import { chatTurnProblem, conversationProblem, idProblem, sendMessageProblem } from '../domain/turn/validate-input';
import { canonicalJson } from '../domain/canonical-json';
import { sha256 } from '../platform/sha256';
import { requireModel } from './models-routes';
import type { ChatRequest } from './chat-request';
import type { RegisteredTurn } from './completion';
import type { GatewayContext } from './context';
import { badRequest, GatewayError, wrongField } from './gateway-error';
import type { TurnEnd } from './stream-turn-events';
import { pathInRequest, sessionTurn, statelessTurn, type TurnCall } from './to-turn';
import { joinTurn, waitForTurn } from './wait-for-turn';

export interface BegunTurn extends RegisteredTurn {
  /** The turn's stream. */
  readonly turnName: string;
  readonly end: Promise<TurnEnd>;
}

/** Long enough for any client's key (a UUID has 36 characters), short enough for an index. */
export const maxIdempotencyKeyLength = 255;

/**
 * Begins the turn that a request asks for, or joins the one that an earlier request with its Idempotency-Key began.
 * What is wrong with the request is found before it is registered, so that its key can be used again.
 * See docs/architecture.md, "A turn done once".
 * @throws {GatewayError}
 */
export async function beginTurn(
  context: GatewayContext,
  { headers, apiKey, log, images }: FastifyRequest,
  body: ChatRequest,
): Promise<BegunTurn> {
  const { preferred } = requireModel(context.models, body.model, apiKey);
  const named = sessionOf(headers, body, apiKey.id);
  const userId = userOf(headers, body);
  const idempotencyKey = idempotencyKeyOf(headers);
  const callFor = (turnId: string, sessionId: string | null): TurnCall => {
    const frame = { turnId, keyId: apiKey.id, userId, model: preferred, deadlineMs: context.turnDeadlineMs };
    return sessionId === null ? statelessTurn(body, frame) : sessionTurn(body, sessionId, frame);
  };

  const newTurnId = randomUUID();
  const sessionId = named !== null && !(await isSideRequest(context, named, body)) ? named.id : null;
  // All of it, and what is new in a session also by the limits of sessions, which are tighter.
  refuseInvalid(callFor(newTurnId, null));
  if (sessionId !== null) refuseInvalid(callFor(newTurnId, sessionId));
  await images?.keepIn(context.images, apiKey.id);
  const bodyHash = sha256(canonicalJson({ body, session: named?.id, userId }));
  const registered = await context.ledger.requests.register({
    turnId: newTurnId,
    keyId: apiKey.id,
    sessionId,
    idempotencyKey,
    bodyHash,
    atMs: Date.now(),
  });
  if (registered.bodyHash !== bodyHash) {
    throw new GatewayError(
      'idempotency_key_reused',
      'This Idempotency-Key was used before, with another request. Use a new key for each request.',
      { param: 'Idempotency-Key' },
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
async function isSideRequest({ client }: GatewayContext, session: SessionName, body: ChatRequest): Promise<boolean> {
  if (!session.isChatApp || body.messages.some(({ role }) => role === 'assistant')) return false;
  try {
    return (await client.spend(session.id)).turns > 0;
  } catch (error) {
    if (error instanceof ConversationNotFoundError) return false;
    throw error;
  }
}

/** In place of the client's own check, which would come after the request was registered. `refuseLongLists` came before. */
function refuseInvalid(call: TurnCall): void {
  const problem =
    call.kind === 'stateless'
      ? chatTurnProblem(call.options)
      : (conversationProblem(call.options) ?? sendMessageProblem(call.options));
  if (problem !== null) throw wrongField({ ...problem, path: pathInRequest(problem.path, call) });
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

const ownSessionHeader = 'x-bellwether-session';
/** Open WebUI's own (ENABLE_FORWARD_USER_INFO_HEADERS); LibreChat's as its users name them, with {{LIBRECHAT_BODY_CONVERSATIONID}}. */
const chatAppSessionHeaders = ['x-openwebui-chat-id', 'x-librechat-conversation-id', 'x-conversation-id'];
const chatAppUserHeaders = ['x-openwebui-user-id', 'x-librechat-user-id'];

interface SessionName {
  readonly id: string;
  /** Sent by a chat application, which resends its history and asks for titles under the conversation's id. */
  readonly isChatApp: boolean;
}

/** The session that the request names; null when it is stateless. @throws {GatewayError} when its name is empty */
function sessionOf(headers: IncomingHttpHeaders, body: ChatRequest, keyId: string): SessionName | null {
  refuseEmpty(headers[ownSessionHeader], ownSessionHeader);
  refuseEmpty(body.metadata?.session_id, 'metadata.session_id');
  const own = headerOf(headers, ownSessionHeader) ?? nonEmpty(body.metadata?.session_id);
  const chatApp = own === null ? firstHeader(headers, chatAppSessionHeaders) : null;
  const name = own ?? (chatApp !== null && isConversation(chatApp) ? chatApp : null);
  if (name === null) return null;
  // Each API key has sessions of its own: nobody reads another's conversation by guessing its id.
  return { id: safeId(`${keyId}.`, name), isChatApp: own === null };
}

/** Whoever sends one wants a session and has lost its id: a turn without memory would hide that. */
function refuseEmpty(value: string | readonly string[] | null | undefined, param: string): void {
  if (typeof value !== 'string' || value.trim() !== '') return;
  throw badRequest(`${param} is empty: give the session's id, or leave it out for a request without memory.`, param);
}

function userOf(headers: IncomingHttpHeaders, body: ChatRequest): string | undefined {
  const name = nonEmpty(body.user) ?? nonEmpty(body.metadata?.user_id) ?? firstHeader(headers, chatAppUserHeaders);
  return name === null ? undefined : safeId('', name);
}

/**
 * Callers name their users and sessions by mail addresses, names or whole URLs. One that is no id here (visible ASCII,
 * 200 characters) is replaced by its hash, and not refused: the same name is still the same user.
 */
function safeId(prefix: string, name: string): string {
  const id = prefix + name;
  if (idProblem(['id'], id) === null) return id;
  return `${prefix}sha256-${sha256(name).slice(0, 40)}`;
}

/** Not a placeholder that LibreChat had no value for, and not one of Open WebUI's temporary chats, which it keeps nowhere. */
function isConversation(id: string): boolean {
  return !/^(new|null|undefined|local:.*|\{\{.*\}\})$/.test(id);
}

function firstHeader(headers: IncomingHttpHeaders, names: readonly string[]): string | null {
  return names.map((name) => headerOf(headers, name)).find((value) => value !== null) ?? null;
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return nonEmpty(Array.isArray(value) ? value[0] : value);
}

function nonEmpty(value: string | null | undefined): string | null {
  return value === undefined || value === null || value.trim() === '' ? null : value;
}
