/** What is kept of earlier responses: by it later requests continue them. Nothing is stored for that beside the turns. */
import { TurnFailedError, TurnNotFoundError, TurnNotKeptError, TurnTooLateError } from '../../client/errors';
import type { FastifyBaseLogger } from 'fastify';
import type { ApiKey } from '../../contract/api-keys';
import type { ChatMessage, ChatReply } from '../../contract/chat';
import type { FoundRequest } from '../../contract/ledger';
import { limits } from '../../contract/limits';
import type { GatewayContext } from '../context';
import { GatewayError } from '../gateway-error';
import { notKept, previousNotFound, stoppedUnbegun } from '../handle-errors';
import { findOwn, lookUp, mayBeUnderWay } from '../turns-routes';
import type { InputItem } from './input-items';
import {
  failedResponse,
  itemOf,
  outputItems,
  plainEcho,
  type ResponseEcho,
  type ResponseObject,
  toResponse,
  turnOfResponse,
  unfinishedResponse,
} from './response-object';

/** A turn that has ended is only looked up. */
const lookUpDeadlineMs = 10_000;

/** @throws {GatewayError} */
export async function findResponse(context: GatewayContext, apiKey: ApiKey, id: string): Promise<FoundRequest> {
  const turnId = turnOfResponse(id);
  const found = turnId === null ? null : await findOwn(context, apiKey, turnId).catch(nullIfNotFound);
  if (found?.response === 'stored') return found;
  throw new GatewayError('response_not_found', 'There is no such response of this API key.');
}

/** The response as it is now. @throws {GatewayError} when its answer is no longer kept */
export async function readResponse(
  context: GatewayContext,
  found: FoundRequest,
  log: FastifyBaseLogger,
): Promise<ResponseObject> {
  const end = await lookUp(context, found, log);
  if (end === null && mayBeUnderWay(context, found)) {
    return unfinishedResponse('in_progress', found, await echoOfInput(context, found));
  }
  if (end === null && found.outcome === 'stopped') {
    return failedResponse(stoppedUnbegun, found, await echoOfInput(context, found));
  }
  if (end === null) throw notKept;
  if ('error' in end) return failedResponse(end.error, found, await echoOfInput(context, found));
  return toResponse(end.reply, found, storedEcho(end.reply.echo));
}

/** Of a turn without an answer, which would repeat it: a session's is not looked for. */
export async function echoOfInput(
  { client }: GatewayContext,
  { turnId, sessionId }: FoundRequest,
): Promise<ResponseEcho> {
  if (sessionId !== null) return plainEcho;
  try {
    return storedEcho((await client.asked(turnId, lookUpDeadlineMs)).echo);
  } catch (error) {
    // It has not begun, or is forgotten.
    if (error instanceof TurnNotFoundError) return plainEcho;
    throw error;
  }
}

function storedEcho(echo: ChatReply['echo']): ResponseEcho {
  return { ...plainEcho, ...(echo as Partial<ResponseEcho> | undefined) };
}

/** Where a request that continues a response stands. */
export type Continued =
  | { readonly kind: 'session'; readonly sessionId: string; readonly turnId: string }
  /** A one-shot turn: all that was said comes with the next one. */
  | { readonly kind: 'history'; readonly messages: readonly ChatMessage[] };

/** @throws {GatewayError} */
export async function continued(context: GatewayContext, apiKey: ApiKey, id: string): Promise<Continued> {
  const found = await findResponse(context, apiKey, id).catch((error: unknown) => {
    throw error instanceof GatewayError && error.status === 404 ? previousNotFound : error;
  });
  const { turnId, sessionId } = found;
  if (sessionId !== null) return { kind: 'session', sessionId, turnId };
  try {
    // A response that is still to come is waited for, as the next turn of a session waits for the one before.
    const reply = await context.client.turn(turnId, { deadlineMs: context.turnDeadlineMs });
    const { messages, echo } = await context.client.asked(turnId, lookUpDeadlineMs);
    const hasInstructions = typeof echo?.['instructions'] === 'string';
    const said = hasInstructions ? messages.slice(1) : messages;
    const isAnswered = reply.success || (reply.stopped === true && reply.content !== '');
    return { kind: 'history', messages: isAnswered ? [...said, answerOf(reply)] : said };
  } catch (error) {
    throw isGone(error) ? previousNotFound : error;
  }
}

function answerOf({ content, refusal, tool_calls, reasoning_content }: ChatReply): ChatMessage {
  return {
    role: 'assistant',
    content: content === '' ? (refusal ?? (tool_calls ? null : '')) : content,
    ...(tool_calls && { tool_calls, ...(reasoning_content !== undefined && { reasoning_content }) }),
  };
}

/** Turns that the references of one request may be to; each is looked up. */
const maxReferredTurns = 200;
/** At once, for one request. */
const lookUpsAtOnce = 8;

/** The input with items in place of references to them. @throws {GatewayError} */
export async function withoutReferences(
  context: GatewayContext,
  apiKey: ApiKey,
  items: readonly InputItem[],
): Promise<readonly InputItem[]> {
  const references = items.flatMap((item, index) => (item.type === 'item_reference' ? [{ id: item.id, index }] : []));
  if (references.length === 0) return items;
  const turnIds = new Map<string, number>();
  for (const { id, index } of references) {
    const turnId = itemOf(id)?.turnId;
    if (turnId === undefined) throw itemNotFound(index);
    if (!turnIds.has(turnId)) turnIds.set(turnId, index);
    if (turnIds.size > maxReferredTurns) throw tooManyReferred();
  }
  const times = new Map<string, number>();
  for (const { id } of references) times.set(id, (times.get(id) ?? 0) + 1);
  let length = 0;
  const found = new Map<string, InputItem>();
  const waiting = [...turnIds];
  const resolveNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [turnId, index] = next;
      for (const item of await itemsOf(context, apiKey, turnId, index)) {
        length += JSON.stringify(item).length * (times.get(item.id ?? '') ?? 0);
        if (length > limits.maxRequestJsonBytes) throw referredTooLong();
        found.set(item.id ?? '', item);
      }
    }
  };
  await Promise.all(Array.from({ length: lookUpsAtOnce }, resolveNext));
  return items.map((item, index) => {
    if (item.type !== 'item_reference') return item;
    const resolved = found.get(item.id);
    if (resolved === undefined) throw itemNotFound(index);
    return resolved;
  });
}

type ResolvedItem = InputItem & { readonly id?: string | null | undefined };

async function itemsOf(
  context: GatewayContext,
  apiKey: ApiKey,
  turnId: string,
  index: number,
): Promise<readonly ResolvedItem[]> {
  const found = await findOwn(context, apiKey, turnId).catch(nullIfNotFound);
  if (found?.response !== 'stored') throw itemNotFound(index);
  try {
    const sessionId = found.sessionId ?? undefined;
    const reply = await context.client.turn(turnId, { ...(sessionId && { sessionId }), deadlineMs: lookUpDeadlineMs });
    return reply.success ? outputItems(reply, turnId, { store: true }) : [];
  } catch (error) {
    throw isGone(error) ? itemNotFound(index) : error;
  }
}

/** What was said is kept no longer, or the turn ended by force and nobody knows what it said. */
function isGone(error: unknown): boolean {
  return [TurnNotFoundError, TurnNotKeptError, TurnFailedError, TurnTooLateError].some((type) => error instanceof type);
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof GatewayError && error.status === 404) return null;
  throw error;
}

function itemNotFound(index: number): GatewayError {
  return new GatewayError(
    'item_not_found',
    `input[${index}].id names no item that is kept of a stored response of this API key. Send the item itself.`,
    { param: `input[${index}].id` },
  );
}

function referredTooLong(): GatewayError {
  return new GatewayError(
    'invalid_value',
    `input refers to items that are longer in all than the limit of ${limits.maxRequestJsonBytes} bytes. Refer to fewer of them.`,
    { param: 'input' },
  );
}

function tooManyReferred(): GatewayError {
  return new GatewayError(
    'invalid_value',
    `input refers to items of more than ${maxReferredTurns} responses, the limit. Send the items themselves, or previous_response_id.`,
    { param: 'input' },
  );
}
