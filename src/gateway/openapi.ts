import swagger from '@fastify/swagger';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import { readPackageInfo } from '../package-info';
import type { GatewayServer } from './server';

/** Describes the routes that come after it, from the schemas by which they read and write. */
export async function describeRoutes(server: GatewayServer): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Bellwether gateway',
        version: readPackageInfo().version,
        description: "OpenAI's chat completions as durable turns: retried, with fallback, within budgets, paid once.",
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      security: [{ apiKey: [] }],
    },
    transform: jsonSchemaTransform,
  });
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger());
}
