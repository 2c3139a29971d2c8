import type { GatewayContext } from './context';
import type { GatewayServer } from './server';
import { z } from 'zod';

/** `GET /metrics`, for Prometheus. */
export function metricsRoute(server: GatewayServer, { metrics }: Pick<GatewayContext, 'metrics'>): void {
  server.get(
    '/metrics',
    {
      schema: {
        summary: 'Counts of this process, for Prometheus',
        response: { 200: { description: 'Text.', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
