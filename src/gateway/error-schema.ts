import { z } from 'zod';
import { turnFactsSchema } from './completion';
import { type CataloguedError, cataloguedError, type ErrorName, type ErrorStatus } from './error-codes';

export const errorFieldsSchema = z.object({
  message: z.string(),
  type: z.string(),
  param: z.string().nullable().describe('The field of the request that is wrong.'),
  code: z.string().describe('Stable, for programs.'),
  degraded_reply: z
    .string()
    .optional()
    .describe('Of a turn that no model answered: a text that can be shown to its user.'),
  bellwether: turnFactsSchema.optional(),
});

/** What every route can answer: the HTTP server, the limits and the ledger of API keys stand before all of them. */
const ofEveryRoute = [
  'invalid_url',
  'bad_http',
  'invalid_api_key',
  'foreign_caller',
  'request_timeout',
  'rate_limit_exceeded',
  'too_many_open_requests',
  'headers_too_large',
  'internal_error',
  'ledger_unavailable',
  'overloaded',
  'gateway_stopping',
] as const satisfies readonly ErrorName[];

/** Of a request whose turn cannot begin. */
export const errorsOfRequests = [
  'invalid_value',
  'invalid_json',
  'invalid_body',
  'model_not_allowed',
  'wrong_key_role',
  'model_not_found',
  'request_too_large',
  'unsupported_media_type',
  'idempotency_key_reused',
  'turns_cannot_begin',
] as const satisfies readonly ErrorName[];

/** Of a turn that ended without an answer, or that nobody waits for any more. */
export const errorsOfTurns = [
  'context_length_exceeded',
  'content_filter',
  'image_not_kept',
  'insufficient_quota',
  'session_busy',
  'session_busy_refused',
  'session_closed',
  'session_deleted',
  'turn_never_begun',
  'turn_not_kept',
  'turn_stopped',
  'provider_unauthorized',
  'provider_refused_request',
  'provider_bad_response',
  'provider_failed',
  'provider_unavailable',
  'provider_rate_limited',
  'provider_timeout',
  'turn_hopeless',
  'turn_failed',
  'turn_too_late',
  'stream_diverged',
  'temporal_unreachable',
  'gateway_stopped_waiting',
  'deadline_exceeded',
] as const satisfies readonly ErrorName[];

type ErrorResponses = Partial<Record<ErrorStatus, ReturnType<typeof describe>>>;

function describe(errors: readonly CataloguedError[]) {
  const schema = z.object({
    error: errorFieldsSchema.extend({
      code: z.enum([...new Set(errors.map(({ code }) => code))]).describe('Stable, for programs.'),
    }),
  });
  const description = errors.map(({ code, meaning, advice }) => `\`${code}\`: ${meaning} ${advice}`).join('\n\n');
  return { description, content: { 'application/json': { schema } } };
}

/** The responses of a route that can fail with these errors, and with those of every route: one for each status. */
export function describeErrors(...names: readonly ErrorName[]): ErrorResponses {
  const errors = [...ofEveryRoute, ...names].map(cataloguedError);
  const statuses = [...new Set(errors.map(({ status }) => status))];
  return Object.fromEntries(
    statuses.map((status) => [status, describe(errors.filter((error) => error.status === status))]),
  );
}
