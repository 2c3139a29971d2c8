import { z } from 'zod';
import type { ApiKey } from '../contract/api-keys';
import type { OfferedModel, Operation } from '../contract/operations';
import { mayUse, type ModelName, type ModelNames } from '../domain/turn/model-names';
import { requirePermission } from './access';
import type { GatewayContext } from './context';
import { describeErrors } from './error-schema';
import { badRequest, GatewayError } from './gateway-error';
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
  const onRequest = requirePermission('list-models');
  server.get(
    '/v1/models',
    {
      onRequest,
      schema: {
        summary: 'The models that this key may name',
        response: { 200: modelListSchema, ...describeErrors('wrong_key_role') },
      },
    },
    async ({ apiKey }) => ({ object: 'list' as const, data: models.allowedTo(apiKey).map(toModel) }),
  );
  server.get(
    '/v1/models/:model',
    {
      onRequest,
      schema: {
        summary: 'One model',
        params: z.object({ model: z.string() }),
        response: { 200: modelSchema, ...describeErrors('model_not_allowed', 'wrong_key_role', 'model_not_found') },
      },
    },
    async ({ apiKey, params }) => {
      const name = models.allowedTo(apiKey).find(({ id }) => id === params.model);
      return toModel(name ?? requireModel(models, params.model, apiKey));
    },
  );
}

/** `created` means nothing here, and is the same for all. */
function toModel({ id, ownedBy }: ModelName): z.output<typeof modelSchema> {
  return { id, object: 'model', created: 0, owned_by: ownedBy };
}

/** @throws {GatewayError} 404 for an unknown name, 403 for one that the key may not use */
export function requireModel(models: ModelNames, id: string, key: Pick<ApiKey, 'models'>, param = 'model'): ModelName {
  const name = models.find(id);
  if (name === undefined) throw unknownModel(models, id);
  requireAllowed(id, key, param);
  return name;
}

/** The same for embeddings and moderations. @throws {GatewayError} */
export function requireOffered(
  models: ModelNames,
  operation: Operation,
  id: string,
  key: Pick<ApiKey, 'models'>,
): OfferedModel {
  const offered = models.findOffered(operation, id);
  if (offered === undefined) throw unknownModel(models, id, operation);
  requireAllowed(id, key);
  return offered;
}

function requireAllowed(id: string, key: Pick<ApiKey, 'models'>, param = 'model'): void {
  if (mayUse(key, id)) return;
  throw new GatewayError(
    'model_not_allowed',
    `This API key may not use the model ${id}; GET /v1/models lists those that it may.`,
    { param },
  );
}

/** The fallbacks that a request names. @throws {GatewayError} 400 for an unknown one, 403 for one that the key may not use */
export function requireFallbacks(
  models: ModelNames,
  ids: readonly string[] | null | undefined,
  key: Pick<ApiKey, 'models'>,
): readonly string[] {
  return (ids ?? []).flatMap((id, index) => {
    const param = `fallbacks[${index}]`;
    if (models.find(id) === undefined) {
      throw badRequest(
        `${param}: ${unknownAs(models, id, undefined)}; GET /v1/models lists those that there are.`,
        param,
      );
    }
    // What routing chooses has been tried by then.
    return requireModel(models, id, key, param).preferred ?? [];
  });
}

function unknownModel(models: ModelNames, id: string, operation?: Operation): GatewayError {
  return new GatewayError(
    'model_not_found',
    `${unknownAs(models, id, operation)}; GET /v1/models lists those that there are.`,
    { param: 'model' },
  );
}

function unknownAs(models: ModelNames, id: string, operation: Operation | undefined): string {
  const shown = id.length > 100 ? `${id.slice(0, 100)}…` : id;
  const other = models.operationOf(id) ?? (models.find(id) === undefined ? undefined : 'chats');
  const purpose = operation === undefined ? '' : ` for ${operation}`;
  return `There is no model ${JSON.stringify(shown)}${purpose}${other === undefined ? '' : `: it is one for ${other}`}`;
}
