import { z } from 'zod';
import { ConversationNotFoundError } from '../../client/errors';
import type { Transcript } from '../../contract/chat';
import { limits } from '../../contract/limits';
import { requirePermission } from '../access';
import type { GatewayContext } from '../context';
import { describeErrors } from '../error-schema';
import { badRequest } from '../gateway-error';
import type { GatewayServer } from '../server';
import { findSession } from './session-id';
import { sessionSchema, toSession } from './session-schema';
import { toTranscriptTurns, transcriptTurnSchema } from './transcript-turn';

const defaultLimit = 20;

const transcriptSchema = z.object({
  object: z.literal('bellwether.transcript'),
  session: sessionSchema,
  handed_over: z
    .object({ since: z.int(), reason: z.string().nullable() })
    .nullable()
    .describe('Since when a person answers, and why; null: the model does.'),
  turns: z.array(transcriptTurnSchema).describe('The oldest first.'),
  older_turns: z.int().describe('How many turns before the first that is kept were forgotten.'),
  has_more: z.boolean().describe('Whether later turns are kept: after the last `id` of this page.'),
});

/** `GET /v1/sessions/{id}/transcript`. The texts are Temporal's; the ledger has none. */
export function transcriptRoute(server: GatewayServer, context: GatewayContext): void {
  server.get(
    '/v1/sessions/:session/transcript',
    {
      onRequest: requirePermission('read-own-turns'),
      schema: {
        summary: 'What was said in a session, as far as it is kept',
        description: 'With `after`, what came since: a client that waits for a person asks again and again.',
        params: z.object({ session: z.string() }),
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(limits.maxTranscriptTurns).default(defaultLimit),
          after: z.string().optional().describe('The `id` of the last turn that is known.'),
        }),
        response: {
          200: transcriptSchema,
          ...describeErrors(
            'invalid_value',
            'wrong_key_role',
            'session_not_found',
            'session_deleted',
            'temporal_unreachable',
            'deadline_exceeded',
          ),
        },
      },
    },
    async ({ apiKey, params: { session }, query: { limit, after } }) => {
      const found = await findSession(context, apiKey, session, 'read');
      const transcript = await readTranscript(context, found.sessionId);
      const { handedOver } = transcript;
      const known = after === undefined ? -1 : transcript.turns.findIndex(({ turnId }) => turnId === after);
      if (after !== undefined && known === -1) {
        throw badRequest('after names no turn that this session still has. Leave it out to read all of them.', 'after');
      }
      const turns = toTranscriptTurns(transcript);
      const page = turns.slice(known + 1, known + 1 + limit);
      return {
        object: 'bellwether.transcript' as const,
        session: toSession(found, apiKey),
        handed_over: handedOver
          ? { since: Math.floor(handedOver.sinceMs / 1000), reason: handedOver.reason ?? null }
          : null,
        turns: page,
        older_turns: transcript.olderTurns,
        has_more: known + 1 + page.length < turns.length,
      };
    },
  );
}

/** A session that Temporal does not know any more has no text. */
async function readTranscript(
  { client }: Pick<GatewayContext, 'client'>,
  sessionId: string,
): Promise<Pick<Transcript, 'turns' | 'olderTurns' | 'handedOver'>> {
  try {
    return await client.transcript(sessionId);
  } catch (error) {
    if (error instanceof ConversationNotFoundError) return { turns: [], olderTurns: 0 };
    throw error;
  }
}
