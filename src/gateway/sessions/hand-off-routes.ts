import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ConversationNotFoundError } from '../../client/errors';
import { requirePermission } from '../access';
import { idempotencyKeyOf } from '../begin-turn';
import type { GatewayContext } from '../context';
import { describeErrors } from '../error-schema';
import { GatewayError } from '../gateway-error';
import type { GatewayServer } from '../server';
import { findSession } from './session-id';
import { sessionSchema, toSession } from './session-schema';

const params = z.object({ session: z.string() });

const errorsOfHandOff = [
  'invalid_value',
  'invalid_json',
  'invalid_body',
  'wrong_key_role',
  'session_not_found',
  'session_closed',
  'session_deleted',
  'session_busy',
  'request_too_large',
  'unsupported_media_type',
  'temporal_unreachable',
  'deadline_exceeded',
] as const;

const messageSchema = z.object({
  id: z.string(),
  object: z.literal('bellwether.message'),
  created: z.int(),
  role: z.literal('assistant'),
});

/** A person takes over from the model, says something, and gives the session back. */
export function handOffRoutes(server: GatewayServer, context: GatewayContext): void {
  const onRequest = requirePermission('send-turns');
  server.post(
    '/v1/sessions/:session/hand-over',
    {
      onRequest,
      schema: {
        summary: 'Hand a session over to a person',
        description:
          'Turns that are under way are answered first. From then on messages of the user are taken without a call of a model, and their answers are empty, with bellwether.handed_over. Safe to repeat.',
        params,
        body: z.strictObject({ reason: z.string().optional().describe('For the person; at most 500 characters.') }),
        response: { 200: sessionSchema, ...describeErrors(...errorsOfHandOff) },
      },
    },
    async ({ apiKey, params: { session }, body: { reason } }) => {
      const found = await openSession(context, apiKey, session);
      await context.client.handOver(found.sessionId, reason === undefined ? {} : { reason });
      return toSession({ ...found, state: 'handed_over' }, apiKey);
    },
  );

  server.post(
    '/v1/sessions/:session/give-back',
    {
      onRequest,
      schema: {
        summary: 'Give a session back to the model',
        description: 'The model sees what user and person have said meanwhile. Safe to repeat.',
        params,
        body: z.strictObject({}),
        response: { 200: sessionSchema, ...describeErrors(...errorsOfHandOff) },
      },
    },
    async ({ apiKey, params: { session } }) => {
      const found = await openSession(context, apiKey, session);
      await context.client.giveBack(found.sessionId).catch((error: unknown) => {
        // It has ended, and its next message begins it anew, with the model.
        if (!(error instanceof ConversationNotFoundError)) throw error;
      });
      return toSession({ ...found, state: 'open' }, apiKey);
    },
  );

  server.post(
    '/v1/sessions/:session/messages',
    {
      onRequest,
      schema: {
        summary: "Say something in the model's place, in a session that is handed over",
        params,
        headers: z.looseObject({
          'idempotency-key': z.string().optional().describe('The same key in the same session is the same message.'),
        }),
        body: z.strictObject({
          role: z.literal('assistant'),
          content: z.string(),
          author: z.string().optional().describe('Shown in the transcript; the model does not see it.'),
        }),
        response: { 200: messageSchema, ...describeErrors(...errorsOfHandOff, 'session_not_handed_over') },
      },
    },
    async ({ apiKey, params: { session }, body: { content, author }, headers }) => {
      const found = await openSession(context, apiKey, session);
      const key = idempotencyKeyOf(headers);
      const message = {
        content,
        ...(author !== undefined && { author }),
        // A key is no id: it may be longer.
        ...(key !== null && { messageId: `msg-${createHash('sha256').update(key).digest('hex').slice(0, 40)}` }),
      };
      const { messageId, atMs } = await context.client.addMessage(found.sessionId, message).catch((error: unknown) => {
        throw error instanceof ConversationNotFoundError ? notHandedOver() : error;
      });
      const created = Math.floor(atMs / 1000);
      return { id: messageId, object: 'bellwether.message' as const, created, role: 'assistant' as const };
    },
  );
}

async function openSession(context: GatewayContext, ...[apiKey, name]: [Parameters<typeof findSession>[1], string]) {
  const found = await findSession(context, apiKey, name, 'change');
  if (found.state !== 'closed') return found;
  throw new GatewayError('session_closed', 'This session is closed. Begin another session.');
}

function notHandedOver(): GatewayError {
  return new GatewayError('session_not_handed_over', 'This session is not handed over. Hand it over first.');
}
