import { z } from 'zod';
import { maxListedSessions } from '../../contract/sessions';
import { requirePermission } from '../access';
import type { GatewayContext } from '../context';
import { describeErrors } from '../error-schema';
import { badRequest } from '../gateway-error';
import type { GatewayServer } from '../server';
import { handOffRoutes } from './hand-off-routes';
import { findSession, lookUpSession, sessionNameOf, sessionNotFound } from './session-id';
import { sessionListSchema, sessionSchema, toSession } from './session-schema';
import { transcriptRoute } from './transcript-route';

const defaultLimit = 20;

const params = z.object({ session: z.string() });

/** What an API key can see of its sessions, and their end. */
export function sessionsRoutes(server: GatewayServer, context: GatewayContext): void {
  listRoute(server, context);
  server.get(
    '/v1/sessions/:session',
    {
      onRequest: requirePermission('read-own-turns'),
      schema: {
        summary: 'A session',
        params,
        response: {
          200: sessionSchema,
          ...describeErrors('wrong_key_role', 'session_not_found', 'session_deleted'),
        },
      },
    },
    async ({ apiKey, params: { session } }) => toSession(await findSession(context, apiKey, session, 'read'), apiKey),
  );
  transcriptRoute(server, context);
  closeRoute(server, context);
  deleteRoute(server, context);
  handOffRoutes(server, context);
}

/**
 * From the ledger, which has one row for each session: Temporal's list is behind, is not kept for long, and knows no keys.
 */
function listRoute(server: GatewayServer, context: GatewayContext): void {
  server.get(
    '/v1/sessions',
    {
      onRequest: requirePermission('read-own-turns'),
      schema: {
        summary: "The key's sessions, the most recently created first",
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(maxListedSessions).default(defaultLimit),
          after: z.string().optional().describe('The `id` of the last session of the page before.'),
        }),
        response: { 200: sessionListSchema, ...describeErrors('invalid_value', 'wrong_key_role') },
      },
    },
    async ({ apiKey, query: { limit, after } }) => {
      const place = after === undefined ? null : await lookUpSession(context, apiKey, after);
      if (after !== undefined && place === null) {
        throw badRequest('after names no session of this API key. Leave it out for the first page.', 'after');
      }
      const found = (await context.ledger.sessions.list(apiKey.id, limit + 1, place?.sessionId ?? null)) ?? [];
      const data = found.slice(0, limit).map((session) => toSession(session, apiKey));
      return { object: 'list' as const, data, has_more: found.length > limit };
    },
  );
}

function closeRoute(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/sessions/:session/close',
    {
      onRequest: requirePermission('send-turns'),
      schema: {
        summary: 'Close a session',
        description: 'Turns that have begun are answered; the session takes no more messages. Safe to repeat.',
        params,
        response: {
          200: sessionSchema,
          ...describeErrors('wrong_key_role', 'session_not_found', 'session_deleted', 'temporal_unreachable'),
        },
      },
    },
    async ({ apiKey, params: { session } }) => {
      const found = await findSession(context, apiKey, session, 'change');
      if (found.state !== 'closed') await context.client.closeAlways(found.sessionId);
      return toSession({ ...found, state: 'closed' }, apiKey);
    },
  );
}

const deletedSchema = z.object({ id: z.string(), object: z.literal('bellwether.session'), deleted: z.literal(true) });

/**
 * The mark in the ledger comes first: if this gateway dies behind it, a worker closes the session. Workers delete what
 * Temporal has of it, because that may take longer than a client waits.
 */
function deleteRoute(server: GatewayServer, context: GatewayContext): void {
  server.delete(
    '/v1/sessions/:session',
    {
      onRequest: requirePermission('send-turns'),
      schema: {
        summary: 'Delete a session',
        description:
          'It takes no more messages. A turn that is under way is finished, then all that was said is deleted within minutes; what it cost stays recorded. Safe to repeat.',
        params,
        response: {
          200: deletedSchema,
          ...describeErrors('wrong_key_role', 'session_not_found', 'temporal_unreachable'),
        },
      },
    },
    async ({ apiKey, params: { session } }) => {
      const found = await lookUpSession(context, apiKey, session);
      if (found === null) throw sessionNotFound;
      await context.ledger.sessions.beginDeletion(found.sessionId, Date.now());
      if (found.state !== 'closed') await context.client.closeAlways(found.sessionId);
      return { id: sessionNameOf(found, apiKey), object: 'bellwether.session' as const, deleted: true as const };
    },
  );
}
