import type { GatewayContext } from './context';
import { failed } from './gateway-error';
import type { GatewayServer } from './server';

/** Paths that answer also while the gateway is full or stops: probes and counts. */
const unlimitedRoutes = new Set(['/healthz', '/readyz', '/metrics']);

const overloadedRetryAfterSeconds = '1';

/** For every request: its id on the answer, one line in the log, its counts, and the limit of open ones. */
export function watchRequests(server: GatewayServer, { open, limits, metrics }: GatewayContext): void {
  server.addHook('onRequest', async (request, reply) => {
    open.begin();
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

  server.addHook('onResponse', async (request, reply) => {
    open.end();
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    const milliseconds = Math.round(reply.elapsedTime);
    metrics.answered(method, route, reply.statusCode, milliseconds);
    const turnId = reply.getHeader('x-bellwether-turn-id');
    const keyId = (request.apiKey as typeof request.apiKey | undefined)?.id;
    const whole = reply.raw.writableFinished;
    const line = { method, route, status: reply.statusCode, milliseconds, keyId, turnId, ...(!whole && { whole }) };
    request.log.info(line, 'request answered');
  });
}
