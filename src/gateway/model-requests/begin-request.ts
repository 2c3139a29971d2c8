import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { idOf } from '../../config/id-of';
import type { ChatReply } from '../../contract/chat';
import type { OfferedModel, Operation } from '../../contract/operations';
import { attributes } from '../../tracing/names';
import { endOfWait, idempotencyKeyOf } from '../begin-turn';
import type { RegisteredTurn } from '../completion';
import type { GatewayContext } from '../context';
import { GatewayError } from '../gateway-error';
import { notKept } from '../handle-errors';
import { requireOffered } from '../models-routes';
import { waitForReply } from '../wait-for-turn';

export interface ModelRequest {
  readonly operation: Operation;
  readonly offered: OfferedModel;
  /** As it was sent: what a request with the same Idempotency-Key must have, too. */
  readonly body: object;
  readonly user: string | null | undefined;
  /** What each turn asks for: one turn is one call, whose answer must fit one result of Temporal. */
  readonly parts: readonly Readonly<Record<string, unknown>>[];
}

/** Replies in the order of the parts, or the first error. */
export type RequestEnd = { readonly replies: readonly [ChatReply, ...ChatReply[]] } | { readonly error: GatewayError };

export interface BegunRequest extends RegisteredTurn {
  readonly end: Promise<RequestEnd>;
}

/** Turns of one request that run at a time: enough to hide their overhead, few enough for a provider's rate limit. */
const turnsAtOnce = 4;

export function offeredFor(
  { models }: GatewayContext,
  operation: Operation,
  model: string,
  { apiKey }: FastifyRequest,
): OfferedModel {
  return requireOffered(models, operation, model, apiKey);
}

/**
 * Begins the turns of a request, or joins those of an earlier request with its Idempotency-Key: each turn has an id that
 * follows from the request's, so what was paid for is not paid again.
 * @throws {GatewayError}
 */
export async function beginRequest(
  context: GatewayContext,
  request: FastifyRequest,
  { operation, offered, body, user, parts }: ModelRequest,
): Promise<BegunRequest> {
  const { headers, apiKey, trace } = request;
  const { requests } = context.ledger;
  const idempotencyKey = idempotencyKeyOf(headers);
  const startByMs = endOfWait(headers);
  const refusal = context.readiness.refusal();
  const isKnown = async () => idempotencyKey !== null && (await requests.findByKey(apiKey.id, idempotencyKey)) !== null;
  if (refusal !== null && !(await isKnown())) throw refusal;

  const asked = { operation, body };
  const { turnId, createdAtMs, isNew, bodyHash } = await requests.register({
    turnId: randomUUID(),
    keyId: apiKey.id,
    sessionId: null,
    idempotencyKey,
    bodyHash: context.bodyHashes.of(idempotencyKey, asked),
    atMs: Date.now(),
  });
  if (!isNew && idempotencyKey !== null) {
    const likeness = context.bodyHashes.compare(bodyHash, idempotencyKey, asked);
    if (likeness === 'unknown') throw notKept;
    if (likeness === 'other') {
      throw new GatewayError(
        'idempotency_key_reused',
        'This Idempotency-Key was used before, with another request. Use a new key for each request.',
        { param: 'Idempotency-Key' },
      );
    }
  }
  request.span.setAttribute(attributes.turn, turnId);
  const log = request.log.child({ turn_id: turnId });
  const ask = (part: ModelRequest['parts'][number], index: number) => {
    const asking = context.client.requestChecked({
      // The first has the id that the caller gets.
      turnId: index === 0 ? turnId : `${turnId}-${index + 1}`,
      operation,
      model: offered.model,
      modelOptions: part,
      keyId: apiKey.id,
      deadlineMs: context.turnDeadlineMs,
      ...(user && { userId: idOf(user) }),
      ...(startByMs !== undefined && { startByMs }),
      ...(trace !== undefined && { trace }),
    });
    return waitForReply(context, asking, { isNew, joins: idempotencyKey !== null, log });
  };
  return { turnId, createdAtMs, end: askAll(parts, ask) };
}

/** Never rejects. After an error no further part is begun. */
async function askAll(
  parts: ModelRequest['parts'],
  ask: (part: ModelRequest['parts'][number], index: number) => ReturnType<typeof waitForReply>,
): Promise<RequestEnd> {
  const replies: ChatReply[] = [];
  let failure: GatewayError | null = null;
  const waiting = parts.entries();
  const askNext = async (): Promise<void> => {
    for (const [index, part] of waiting) {
      const end = await ask(part, index);
      if ('reply' in end) replies[index] = end.reply;
      else failure ??= inWordsOfInput(end.error);
      if (failure !== null) return;
    }
  };
  await Promise.all(Array.from({ length: turnsAtOnce }, askNext));
  if (failure !== null) return { error: failure };
  const [first, ...others] = replies;
  if (first === undefined) throw new Error('A request without parts was begun.');
  return { replies: [first, ...others] };
}

/** What is wrong with the messages of a chat is here wrong with the input, and nobody reads an apology. */
function inWordsOfInput(error: GatewayError): GatewayError {
  const { param } = error.fields;
  return error.with({
    headers: error.headers,
    details: undefined,
    param: param?.startsWith('messages') ? 'input' : param,
  });
}
