import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OnDisconnect } from '../config/settings';
import type { BegunTurn } from './begin-turn';
import type { GatewayContext } from './context';
import { noteTurn } from './trace-turns';

/**
 * Ties a request to the turn that it begins: the request counts as open until the turn has ended, its trace and its answer
 * name the turn, and `say` says what becomes of the turn when its client leaves; null: the client is expected to.
 */
export async function followTurn(
  { readers }: Pick<GatewayContext, 'readers'>,
  request: FastifyRequest,
  reply: FastifyReply,
  { begun, say }: { readonly begun: Promise<BegunTurn>; readonly say: OnDisconnect | null },
): Promise<BegunTurn> {
  request.open.keepUntil(begun.then(({ end }) => end));
  const turn = await begun;
  noteTurn(request, turn);
  if (say !== null) readers.add(turn, say, reply, request);
  reply.header('x-bellwether-turn-id', turn.turnId);
  return turn;
}
