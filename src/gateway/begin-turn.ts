import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { BellwetherError, ConversationNotFoundError } from '../client/errors';
import { idOf } from '../config/id-of';
import type { FoundRequest, RegisteredRequest } from '../contract/ledger';
import { whileBusyPolicies } from '../contract/chat';
import { turnName } from '../contract/names';
import type { Problem, ProblemPath } from '../contract/problem';
import { chatTurnProblem, conversationProblem, idProblem, sendMessageProblem } from '../domain/turn/validate-input';
import { requireFallbacks, requireModel } from './models-routes';
import {
  asksForTask,
  chatAppSessionHeaders,
  chatAppUserHeaders,
  firstStep,
  isConversation,
  quotesConversation,
} from './chat-applications';
import type { ChatRequest } from './chat-request';
import type { RegisteredTurn } from './completion';
import type { GatewayContext } from './context';
import { badRequest, GatewayError, wrongField } from './gateway-error';
import { notKept } from './handle-errors';
import type { TurnEnd } from './stream-turn-events';
import { type SessionMemory, sessionTurn } from './session-turn';
import { sessionIdOf } from './sessions/session-id';
import {
  addedTurn,
  pathInRequest,
  type SessionCall,
  statelessTurn,
  toMessage,
  type TurnCall,
  type TurnFrame,
} from './to-turn';
import { choiceOf } from './turn-headers';
import { joinTurn, waitForTurn } from './wait-for-turn';

export interface BegunTurn extends RegisteredTurn {
  /** The turn's stream. */
  readonly turnName: string;
  readonly end: Promise<TurnEnd>;
  /**
   * Once Temporal has the turn, so that it goes on without this gateway; for a turn of a session at once, because Temporal has
   * it only with its answer: until then this gateway sends it again wherever it gets lost.
   */
  readonly begun: Promise<void>;
}

export const whileBusyHeader = 'x-bellwether-while-busy';

/** What a request says beside what chat completions can say. */
export interface RequestForm extends Pick<TurnFrame, 'instructions' | 'echo'> {
  /** By which a repeated request is told from another one. */
  readonly hashed: object;
  /** The session, to which all messages are added. null: the one that headers and metadata name. */
  readonly session: AddedTo | null;
  /** Whether its response can be asked for later. */
  readonly response: 'stored' | 'unstored';
  /** Where in the request a path of chat completions is. */
  readonly pathOf: (path: ProblemPath) => ProblemPath;
}

type AddedTo =
  /** None, whatever headers and metadata name. */
  | { readonly kind: 'none' }
  | { readonly kind: 'named'; readonly name: string; readonly field: string }
  | { readonly kind: 'following'; readonly sessionId: string; readonly turnId: string };

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
  { headers, apiKey, log, images, trace }: FastifyRequest,
  body: ChatRequest,
  form?: RequestForm,
): Promise<BegunTurn> {
  const { preferred } = requireModel(context.models, body.model, apiKey);
  const fallbacks = requireFallbacks(context.models, body.fallbacks, apiKey);
  const stored = (id: string): string => context.client.storedSessionId(id);
  const named = form?.session
    ? addedSession(form.session, apiKey.id, stored)
    : sessionOf(headers, body, apiKey.id, stored);
  const { instructions, echo } = form ?? {};
  const pathOf = form?.pathOf ?? ((path: ProblemPath) => path);
  const userId = userOf(headers, body);
  const after = form?.session ? undefined : turnBefore(headers, named);
  const idempotencyKey = idempotencyKeyOf(headers);
  const whileBusy = choiceOf(headers, whileBusyHeader, whileBusyPolicies) ?? context.whileBusy;
  const startByMs = body.stream === true ? undefined : endOfWait(headers);
  const frameOf = (turnId: string): TurnFrame => {
    const told = { userId, model: preferred, fallbacks, startByMs, whileBusy, trace, instructions, echo };
    return { turnId, keyId: apiKey.id, deadlineMs: context.turnDeadlineMs, ...told };
  };
  const newTurnId = randomUUID();
  // All of it, before anybody is asked about it; what is new in a session also by the limits of sessions, which are tighter.
  refuseInvalid(statelessTurn(body, frameOf(newTurnId)), pathOf);
  const findEarlier = async () =>
    idempotencyKey === null ? null : context.ledger.requests.findByKey(apiKey.id, idempotencyKey);
  const refusal = context.readiness.refusal();
  if (refusal !== null && (await findEarlier()) === null) throw refusal;
  const session = named === null ? null : await placedSession(context, named, headers, body, findEarlier);
  const callFor = (turnId: string, sessionId: string | null): TurnCall => {
    if (sessionId === null) return statelessTurn(body, frameOf(turnId));
    if (form?.session) return addedTurn(body, sessionId, frameOf(turnId), followedBy(form.session));
    // The first of two requests with the same key decides whether they are the session's.
    const memory = session === null && named?.resendsHistory ? 'unknown' : (session?.memory ?? null);
    return placedBehind(sessionTurn(body, sessionId, frameOf(turnId), memory), after);
  };

  const sessionId = session?.id ?? null;
  if (sessionId !== null) refuseInvalid(callFor(newTurnId, sessionId), pathOf);
  await images?.keepIn(context.images, apiKey.id);
  const request = hashedRequest(form?.hashed ?? body, { sessionId: named?.id, userId, after });
  const registered = await context.ledger.requests.register({
    turnId: newTurnId,
    keyId: apiKey.id,
    sessionId,
    idempotencyKey,
    bodyHash: context.bodyHashes.of(idempotencyKey, request),
    atMs: Date.now(),
    ...(form && { response: form.response }),
  });
  const likeness =
    registered.isNew || idempotencyKey === null
      ? 'same'
      : context.bodyHashes.compare(registered.bodyHash, idempotencyKey, request);
  if (likeness === 'other') {
    throw new GatewayError(
      'idempotency_key_reused',
      'This Idempotency-Key was used before, with another request. Use a new key for each request.',
      { param: 'Idempotency-Key' },
    );
  }
  const { turnId, createdAtMs, isNew } = registered;
  const turn = { turnId, createdAtMs, turnName: turnName(turnId, registered.sessionId) };
  const turnLog = log.child({ turn_id: turnId });
  const ended = isNew ? null : await endedTurn(context, turnId);
  // Its answer may belong to a different request.
  if (ended !== null && likeness === 'unknown') throw notKept;
  // It was paid for once, so it is never begun again, even if Temporal has forgotten it.
  if (ended !== null) return { ...turn, begun: Promise.resolve(), end: joinTurn(context, ended, turnLog) };
  const call = callFor(turnId, registered.sessionId);
  let onBegun!: () => void;
  const begun = new Promise<void>((resolve) => (onBegun = resolve));
  if (call.kind === 'session') onBegun();
  const joins = idempotencyKey !== null;
  const end = waitForTurn(context, call, { isNew, joins, pathOf, onBegun, log: turnLog });
  return { ...turn, begun, end };
}

interface HashedPlace {
  readonly sessionId: string | undefined;
  readonly userId: string | undefined;
  readonly after?: string | null | undefined;
}

/** What the hash of a request covers. Those in the ledger depend on it. */
export function hashedRequest(body: object, { sessionId, userId, after }: HashedPlace): object {
  return { body, session: sessionId, userId, ...(after !== undefined && { after }) };
}

/**
 * The time until which a caller waits: OpenAI's clients send their timeout in seconds. It does not apply to streams, where
 * it only limits the wait for the headers, or for the next event.
 */
export function endOfWait(headers: IncomingHttpHeaders): number | undefined {
  const seconds = Number(headerOf(headers, 'x-stainless-timeout') ?? NaN);
  const endMs = Math.ceil(Date.now() + seconds * 1000);
  return seconds > 0 && Number.isSafeInteger(endMs) ? endMs : undefined;
}

async function endedTurn({ ledger }: GatewayContext, turnId: string): Promise<FoundRequest | null> {
  const found = await ledger.requests.find(turnId);
  return found === null || found.outcome === 'in-progress' ? null : found;
}

/** A session as a turn needs it. */
interface PlacedSession {
  readonly id: string;
  /** null: the turn follows the latest one, whatever history the request brings. */
  readonly memory: SessionMemory | null;
}

/**
 * The session that a request belongs to; null for what is answered beside it and remembered nowhere. Chat applications ask
 * for titles, tags and queries under the conversation's id; those that are known by their words come before any look at the
 * memory, as some come before the conversation.
 */
async function placedSession(
  { client }: GatewayContext,
  { id, resendsHistory }: SessionName,
  headers: IncomingHttpHeaders,
  body: ChatRequest,
  findEarlier: () => Promise<RegisteredRequest | null>,
): Promise<PlacedSession | null> {
  if (!resendsHistory) return { id, memory: null };
  const earlier = await findEarlier();
  // The request came before, and its place was found then.
  if (earlier !== null) return earlier.sessionId === null ? null : { id, memory: 'unknown' };
  const messages = body.messages.map(toMessage);
  if (asksForTask(headers, messages)) return null;
  const memory = await memoryOf(client, id);
  const begun = firstStep(messages);
  // Nothing is lost if it was the first message once more: the next request brings it, and its answer.
  const isAside = begun !== null && (memory === 'unknown' || (memory !== 'none' && quotesConversation(begun, memory)));
  return isAside ? null : { id, memory };
}

/** How long to wait for a worker. If it is busy, away or too old to answer, the request's own history is used. */
const memoryDeadlineMs = 3_000;

async function memoryOf(client: GatewayContext['client'], sessionId: string): Promise<SessionMemory> {
  try {
    const outline = await client.outline(sessionId, memoryDeadlineMs);
    return outline.state === 'closed' ? 'none' : outline;
  } catch (error) {
    if (error instanceof ConversationNotFoundError) return 'none';
    if (error instanceof BellwetherError) return 'unknown';
    throw error;
  }
}

/** In place of the client's own check, which would come after the request was registered. `refuseLongLists` came before. */
function refuseInvalid(call: TurnCall, pathOf: RequestForm['pathOf']): void {
  const problem = call.kind === 'stateless' ? chatTurnProblem(call.options) : sessionTurnProblem(call.options);
  if (problem !== null) throw wrongField({ ...problem, path: pathOf(pathInRequest(problem.path, call)) });
}

/** What opens a conversation travels beside the message, in a payload of its own. */
function sessionTurnProblem({ systemPrompt, history, ...message }: SessionCall['options']): Problem | null {
  const { sessionId } = message;
  const opening = { sessionId, ...(systemPrompt !== undefined && { systemPrompt }), ...(history && { history }) };
  return conversationProblem(opening) ?? sendMessageProblem(message);
}

export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | null {
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
/** For other clients that resend their whole history. */
const historyHeader = 'x-bellwether-history';

/** Of a message that does not follow the latest turn, because its user has edited an earlier one. */
const afterHeader = 'x-bellwether-after';
const noTurn = 'none';

/** The turn that the message is to follow; null: none. undefined: the latest one, or the one that its history says. */
function turnBefore(headers: IncomingHttpHeaders, session: SessionName | null): string | null | undefined {
  const after = headerOf(headers, afterHeader);
  if (after === null) return undefined;
  if (session === null || session.resendsHistory) {
    const message = `${afterHeader} needs ${ownSessionHeader}: without it there are no turns to follow, and with ${historyHeader} the history says which.`;
    throw badRequest(message, afterHeader);
  }
  const problem = idProblem([afterHeader], after);
  if (problem !== null) throw wrongField(problem);
  return after === noTurn ? null : after;
}

function placedBehind(call: TurnCall, after: string | null | undefined): TurnCall {
  if (after === undefined || call.kind === 'stateless') return call;
  return { ...call, afterField: afterHeader, options: { ...call.options, branch: { after } } };
}

interface SessionName {
  readonly id: string;
  /** True for chat applications: their users edit the history, and they ask for titles under the conversation's id. */
  readonly resendsHistory: boolean;
}

/**
 * The session that the request names; null when it is stateless.
 * @param stored see `sessionIdOf`
 * @throws {GatewayError} when its name is empty
 */
function sessionOf(
  headers: IncomingHttpHeaders,
  body: ChatRequest,
  keyId: string,
  stored: (id: string) => string,
): SessionName | null {
  refuseEmpty(headers[ownSessionHeader], ownSessionHeader);
  refuseEmpty(body.metadata?.session_id, 'metadata.session_id');
  const own = headerOf(headers, ownSessionHeader) ?? nonEmpty(body.metadata?.session_id);
  const chatApp = own === null ? firstHeader(headers, chatAppSessionHeaders) : null;
  const name = own ?? (chatApp !== null && isConversation(chatApp) ? chatApp : null);
  if (name === null) return null;
  return { id: sessionIdOf(keyId, name, stored), resendsHistory: own === null || saysWholeHistory(headers) };
}

/** The session that a request is added to as a whole. */
function addedSession(session: AddedTo, keyId: string, stored: (id: string) => string): SessionName | null {
  if (session.kind === 'none') return null;
  if (session.kind === 'following') return { id: session.sessionId, resendsHistory: false };
  refuseEmpty(session.name, session.field);
  return { id: sessionIdOf(keyId, session.name, stored), resendsHistory: false };
}

function followedBy(session: AddedTo): string | null {
  return session.kind === 'following' ? session.turnId : null;
}

function saysWholeHistory(headers: IncomingHttpHeaders): boolean {
  const said = headerOf(headers, historyHeader);
  if (said !== null && said !== 'whole')
    throw badRequest(`${historyHeader} must be "whole", or absent.`, historyHeader);
  return said !== null;
}

/** Whoever sends one wants a session and has lost its id: a turn without memory would hide that. */
function refuseEmpty(value: string | readonly string[] | null | undefined, param: string): void {
  if (typeof value !== 'string' || value.trim() !== '') return;
  throw badRequest(`${param} is empty: give the session's id, or leave it out for a request without memory.`, param);
}

export function userOf(headers: IncomingHttpHeaders, body: Pick<ChatRequest, 'user' | 'metadata'>): string | undefined {
  const name = nonEmpty(body.user) ?? nonEmpty(body.metadata?.user_id) ?? firstHeader(headers, chatAppUserHeaders);
  return name === null ? undefined : idOf(name);
}

function firstHeader(headers: IncomingHttpHeaders, names: readonly string[]): string | null {
  return names.map((name) => headerOf(headers, name)).find((value) => value !== null) ?? null;
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return nonEmpty(inUtf8(Array.isArray(value) ? value[0] : value));
}

/** Node reads headers as Latin-1, but whoever sends other characters mostly means UTF-8: the name that a body would have. */
function inUtf8(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

function nonEmpty(value: string | null | undefined): string | null {
  return value === undefined || value === null || value.trim() === '' ? null : value;
}
