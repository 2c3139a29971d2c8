import type { Policy } from '../contract/policy';
import type { ApiKey } from '../ledger/api-keys';
import { forbidden, notFound, type GatewayError } from './gateway-error';

/** The name by which callers leave the choice to routing. */
export const routedModel = 'bellwether';

export interface ModelName {
  readonly id: string;
  readonly ownedBy: string;
  /** What a turn is told to ask first; null: routing decides. */
  readonly preferred: string | null;
}

/** Every name that a request may use: the routed one, its aliases, and the models of the arms. */
export class ModelNames {
  private readonly names: ReadonlyMap<string, ModelName>;

  constructor(policy: Pick<Policy, 'arms'>, aliases: readonly string[]) {
    const targets = Object.values(policy.arms).flatMap((arm) => arm.targets);
    const models = targets.map(({ model, provider }) => ({ id: model, ownedBy: provider, preferred: model }));
    const routed = [routedModel, ...aliases].map((id) => ({ id, ownedBy: routedModel, preferred: null }));
    // Of names that are both, the alias is what its operator chose.
    this.names = new Map([...models, ...routed].map((name) => [name.id, name]));
  }

  /** In the order of the alphabet, the routed name first. */
  allowedTo(key: Pick<ApiKey, 'models'>): readonly ModelName[] {
    const allowed = [...this.names.values()].filter(({ id }) => isAllowed(key, id));
    return allowed.toSorted((a, b) => rank(a).localeCompare(rank(b), 'en'));
  }

  /** @throws {GatewayError} 404 for an unknown name, 403 for one that the key may not use */
  find(id: string, key: Pick<ApiKey, 'models'>): ModelName {
    const name = this.names.get(id);
    if (name === undefined) throw unknownModel(id);
    if (!isAllowed(key, id)) {
      throw forbidden(
        `This API key may not use the model ${id}; GET /v1/models lists those that it may.`,
        'model_not_allowed',
        'model',
      );
    }
    return name;
  }
}

function isAllowed({ models }: Pick<ApiKey, 'models'>, id: string): boolean {
  return models === null || models.includes(id);
}

function rank({ id }: ModelName): string {
  return id === routedModel ? '' : id;
}

function unknownModel(id: string): GatewayError {
  const shown = id.length > 100 ? `${id.slice(0, 100)}…` : id;
  return notFound(
    `There is no model ${JSON.stringify(shown)}; GET /v1/models lists those that there are.`,
    'model_not_found',
    'model',
  );
}
