import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import { LedgerUnavailableError } from '../ledger/failures';
import { badRequest, failed, GatewayError, notFound } from './gateway-error';
import { errorOfClient } from './turn-errors';

/** Every answer that is an error has OpenAI's shape, whoever found it. */
export function handleErrors(server: FastifyInstance): void {
  server.setErrorHandler((error, request, reply) => {
    const known = errorOfRequest(error, request);
    return reply.code(known.status).headers(known.headers).send(known.body);
  });
  server.setNotFoundHandler((request) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const shown = path.length > 100 ? `${path.slice(0, 100)}…` : path;
    throw notFound(`There is no ${request.method} ${shown}; GET /openapi.json lists what there is.`, 'unknown_route');
  });
}

/** Anything unexpected becomes a 500 without details; they are in the log, under the request's id. */
export function toGatewayError(error: unknown, log: FastifyBaseLogger): GatewayError {
  if (error instanceof GatewayError) return error;
  const known = errorOfClient(error, false);
  if (known) return known;
  if (error instanceof LedgerUnavailableError) {
    log.error({ err: error }, 'the ledger does not answer');
    const message = 'The ledger does not answer, so no turn can begin. Try again in a few seconds.';
    return failed(503, 'ledger_unavailable', message, { 'retry-after': '5' });
  }
  log.error({ err: error }, 'unexpected error');
  return failed(500, 'internal_error', 'The gateway failed. Its log says why, under the id in x-request-id.');
}

/** Of a request that no route has answered: also what the HTTP server itself found wrong with it. */
export function errorOfRequest(error: unknown, { server, log }: Pick<FastifyRequest, 'server' | 'log'>): GatewayError {
  return errorOfFramework(error, server) ?? toGatewayError(error, log);
}

/** What the HTTP server found wrong with a request before any route saw it. */
function errorOfFramework(error: unknown, { initialConfig }: FastifyInstance): GatewayError | null {
  const { code, statusCode } = (error ?? {}) as { readonly code?: unknown; readonly statusCode?: unknown };
  switch (code) {
    case 'ECONNRESET':
      // Of the caller's connection and no other: so the framework marks what stopped it reading a body.
      return statusCode === 400
        ? badRequest('The connection ended before the body was whole.', null, 'invalid_body')
        : null;
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return badRequest(
        `The body is larger than the limit of ${initialConfig.bodyLimit} bytes.`,
        null,
        'request_too_large',
        413,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE':
      return badRequest(
        'The body must be JSON: send it with content-type: application/json.',
        'content-type',
        'unsupported_media_type',
        415,
      );
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return badRequest('The body has not the length that content-length says.', null, 'invalid_body');
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
    case 'FST_ERR_ASYNC_CONSTRAINT':
      return badRequest('The path is not a valid URL.', null, 'invalid_url');
    default:
      return null;
  }
}
