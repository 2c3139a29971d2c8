import { z } from 'zod';
import { turnName } from '../contract/names';
import { feedbackSignals } from '../contract/user-evidence';
import { requirePermission } from './access';
import type { GatewayContext } from './context';
import { describeErrors } from './error-schema';
import { GatewayError } from './gateway-error';
import type { GatewayServer } from './server';
import { findOwn } from './turns-routes';

const signal = z.enum(feedbackSignals);

const feedbackSchema = z.object({
  id: z.string().describe("The turn's."),
  object: z.literal('bellwether.feedback'),
  signal: signal.describe('The one that counts now.'),
});

/** `POST /v1/turns/{id}/feedback`: what users say about a turn, or those who serve them. No text, which would need a home. */
export function feedbackRoute(server: GatewayServer, context: Pick<GatewayContext, 'ledger'>): void {
  server.post(
    '/v1/turns/:turn/feedback',
    {
      // Only keys that make turns, so that `findOwn` finds no turn of another key.
      onRequest: requirePermission('rate-own-turns'),
      schema: {
        summary: 'Rate a turn',
        description:
          'For 7 days, with the key that made the turn. The last signal counts; sending it again changes nothing.',
        params: z.object({ turn: z.string() }),
        body: z.strictObject({
          signal: signal.describe('`handoff`: a person had to take over. `resolved`: the user needs nothing more.'),
        }),
        response: {
          200: feedbackSchema,
          ...describeErrors(
            'invalid_value',
            'invalid_json',
            'invalid_body',
            'wrong_key_role',
            'turn_not_found',
            'turn_never_begun',
            'feedback_too_late',
            'request_too_large',
            'unsupported_media_type',
          ),
        },
      },
    },
    async ({ apiKey, params: { turn }, body }) => {
      const { turnId, sessionId } = await findOwn(context, apiKey, turn);
      const outcome = await context.ledger.recordFeedback({ turnId: turnName(turnId, sessionId), signal: body.signal });
      if (outcome === 'recorded') return { id: turnId, object: 'bellwether.feedback' as const, signal: body.signal };
      throw outcome === 'too-late'
        ? new GatewayError('feedback_too_late', 'This turn is older than 7 days and takes no more feedback.')
        : new GatewayError('turn_never_begun', 'This turn never started, so it takes no feedback.');
    },
  );
}
