import type { FastifyRequest } from 'fastify';
import { turnName } from '../../contract/names';
import { type BegunTurn, hashedRequest, idempotencyKeyOf, userOf } from '../begin-turn';
import type { GatewayContext } from '../context';
import { joinTurn } from '../wait-for-turn';
import { chatOptionsOf, type ResponseRequest } from './response-request';

/**
 * The turn that an earlier request with the same Idempotency-Key began; null if there is none, or it was another request.
 * For requests that refer to what is no longer there: it was there for the first of them, which has an answer.
 */
export async function repeatedResponse(
  context: GatewayContext,
  { headers, apiKey, log }: FastifyRequest,
  body: ResponseRequest,
): Promise<BegunTurn | null> {
  const idempotencyKey = idempotencyKeyOf(headers);
  if (idempotencyKey === null) return null;
  const { requests } = context.ledger;
  const earlier = await requests.findByKey(apiKey.id, idempotencyKey);
  const found = earlier === null ? null : await requests.find(earlier.turnId);
  if (found === null) return null;
  const { turnId, sessionId, bodyHash } = found;
  const userId = userOf(headers, chatOptionsOf(body));
  const request = hashedRequest(body, { sessionId: sessionId ?? undefined, userId });
  if (context.bodyHashes.compare(bodyHash, idempotencyKey, request) !== 'same') return null;
  const end = joinTurn(context, found, log.child({ turn_id: turnId }));
  return { ...found, turnName: turnName(turnId, sessionId), begun: Promise.resolve(), end };
}
