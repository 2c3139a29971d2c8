import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayContext } from './context';
import { failed } from './gateway-error';
import type { OpenRequest } from './open-requests';
import type { GatewayServer } from './server';

declare module 'fastify' {
  interface FastifyRequest {
    open: OpenRequest;
  }
}

/** Paths that answer also while the gateway is full or stops: probes and counts. */
const unlimitedRoutes = new Set(['/healthz', '/readyz', '/metrics']);

/** As nginx counts requests whose client did not wait for an answer. */
const clientWentAway = 499;

const overloadedRetryAfterSeconds = '1';

/** For every request: its id on the answer, one line in the log, its counts, and the limit of open ones. */
export function watchRequests(server: GatewayServer, { open, limits, metrics }: GatewayContext): void {
  server.addHook('onRequest', async (request, reply) => {
    request.open = open.begin();
    reply.raw.once('close', () => ended(request, reply));
    reply.header('x-request-id', request.id);
    if (unlimitedRoutes.has(request.routeOptions.url ?? '')) return;
    if (open.isDraining) {
      reply.header('connection', 'close');
      throw failed(503, 'gateway_stopping', 'This gateway is stopping. Send the request to another one.', {
        'retry-after': '1',
      });
    }
    if (open.size > limits.maxOpenRequests) {
      throw failed(503, 'overloaded', `This gateway has ${limits.maxOpenRequests} open requests, its limit.`, {
        'retry-after': overloadedRetryAfterSeconds,
      });
    }
  });

  /** Once for every request, whether its answer got out or its client went away. */
  function ended(request: FastifyRequest, reply: FastifyReply): void {
    request.open.connectionClosed();
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    const milliseconds = Math.round(reply.elapsedTime);
    const status = reply.raw.headersSent ? reply.statusCode : clientWentAway;
    metrics.answered(method, route, status, milliseconds);
    const keyId = (request.apiKey as typeof request.apiKey | undefined)?.id;
    const turnId = reply.getHeader('x-bellwether-turn-id');
    const isWhole = reply.raw.writableFinished;
    request.log.info({ method, route, status, isWhole, milliseconds, keyId, turnId }, 'request ended');
  }
}
