import { z } from 'zod';
import { requirePermission } from '../access';
import { stopTurn } from '../cancel-route';
import type { GatewayContext } from '../context';
import { describeErrors } from '../error-schema';
import type { GatewayServer } from '../server';
import { responseSchema } from './response-object';
import { findResponse, readResponse } from './stored-responses';

/** `POST /v1/responses/{id}/cancel`: stops a stored response of the caller's key, in the background or not. */
export function cancelResponseRoute(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/responses/:response/cancel',
    {
      onRequest: requirePermission('send-turns'),
      schema: {
        summary: 'Stop a response',
        description:
          'Breaks off its call; nothing else is tried. Sending it again changes nothing, and neither does stopping a response that has ended: the answer says how.',
        params: z.object({ response: z.string() }),
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
      await stopTurn(context, await findResponse(context, apiKey, response));
      return readResponse(context, await findResponse(context, apiKey, response), log);
    },
  );
}
