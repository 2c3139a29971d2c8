import type { FastifyInstance } from 'fastify';
import { badRequest, GatewayError } from './gateway-error';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** A path that is there answers 405, and not 404, to a method that it does not have. */
export function refuseOtherMethods(server: FastifyInstance, url: string, allowed: 'GET' | 'POST'): void {
  server.route({
    url,
    method: methods.filter((method) => method !== allowed),
    schema: { hide: true },
    onRequest: async ({ method }) => {
      const { status, fields } = badRequest(`${url} takes ${allowed}, not ${method}.`, null, 'method_not_allowed', 405);
      throw new GatewayError(status, fields, { allow: allowed });
    },
    handler: async () => undefined,
  });
}
