import { z } from 'zod';
import type { FoundRequest } from '../contract/ledger';
import { requirePermission } from './access';
import type { GatewayContext } from './context';
import { describeErrors } from './error-schema';
import type { GatewayServer } from './server';
import { describeTurn, findOwn, turnSchema } from './turns-routes';

/** A call in flight is broken off within a second; then the turn has to be recorded. */
const endsWithinMs = 5_000;

/** `POST /v1/turns/{id}/cancel`: stops a turn of the caller's key. */
export function cancelRoute(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/turns/:turn/cancel',
    {
      // Only keys that make turns, so that `findOwn` finds no turn of another key.
      onRequest: requirePermission('send-turns'),
      schema: {
        summary: 'Stop a turn',
        description:
          'Breaks off its call; nothing else is tried. Sending it again changes nothing, and neither does stopping a turn that has ended: the answer says how. A turn that was not begun yet never will be.',
        params: z.object({ turn: z.string() }),
        response: {
          200: turnSchema,
          ...describeErrors('wrong_key_role', 'turn_not_found', 'temporal_unreachable', 'deadline_exceeded'),
        },
      },
    },
    async ({ apiKey, params: { turn }, log }) => {
      await stopTurn(context, await findOwn(context, apiKey, turn));
      return describeTurn(context, await findOwn(context, apiKey, turn), log);
    },
  );
}

/** Stops a turn, and waits for its end a little. One that has ended is left as it is. @throws {BellwetherError} */
export async function stopTurn(
  { client }: Pick<GatewayContext, 'client'>,
  { turnId, sessionId }: Pick<FoundRequest, 'turnId' | 'sessionId'>,
): Promise<void> {
  const ofSession = sessionId === null ? {} : { sessionId };
  const before = await client.cancelTurn(turnId, ofSession);
  if (before !== 'in-progress') return;
  // If it has not ended by then, it is in progress for whoever asks.
  await client.turn(turnId, { ...ofSession, deadlineMs: endsWithinMs }).catch(() => undefined);
}
