import { z } from 'zod';
import type { GatewayContext } from './context';
import { describedErrors } from './error-schema';
import type { ModelName } from './model-names';
import type { GatewayServer } from './server';

const modelSchema = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
});

const modelListSchema = z.object({ object: z.literal('list'), data: z.array(modelSchema) });

/** `GET /v1/models` and one of them: the names that the caller's key may use. */
export function modelsRoutes(server: GatewayServer, { models }: GatewayContext): void {
  server.get(
    '/v1/models',
    {
      schema: { summary: 'The models that this key may name', response: { 200: modelListSchema, ...describedErrors } },
    },
    async ({ apiKey }) => ({ object: 'list' as const, data: models.allowedTo(apiKey).map(toModel) }),
  );
  server.get(
    '/v1/models/:model',
    {
      schema: {
        summary: 'One model',
        params: z.object({ model: z.string() }),
        response: { 200: modelSchema, ...describedErrors },
      },
    },
    async ({ apiKey, params }) => toModel(models.find(params.model, apiKey)),
  );
}

/** `created` means nothing here, and is the same for all. */
function toModel({ id, ownedBy }: ModelName): z.output<typeof modelSchema> {
  return { id, object: 'model', created: 0, owned_by: ownedBy };
}
