import type { ApiKey } from '../../contract/api-keys';
import type { Policy } from '../../contract/policy';

/** The model name that leaves the choice to routing. */
export const routedModel = 'bellwether';

export interface ModelName {
  readonly id: string;
  readonly ownedBy: string;
  /** The model that the turn should try first; null: routing decides. */
  readonly preferred: string | null;
}

/** Every model name that a request may use: the routed one, its aliases, and the models of all arms. */
export class ModelNames {
  private readonly names: ReadonlyMap<string, ModelName>;

  constructor(policy: Pick<Policy, 'arms'>, aliases: readonly string[]) {
    const targets = Object.values(policy.arms).flatMap((arm) => arm.targets);
    const models = targets.map(({ model, provider }) => ({ id: model, ownedBy: provider, preferred: model }));
    const routed = [routedModel, ...aliases].map((id) => ({ id, ownedBy: routedModel, preferred: null }));
    // An alias takes precedence over a model of the same name: the operator chose it deliberately.
    this.names = new Map([...models, ...routed].map((name) => [name.id, name]));
  }

  /** In alphabetical order, the routed name first. */
  allowedTo(key: Pick<ApiKey, 'models'>): readonly ModelName[] {
    const allowed = [...this.names.values()].filter(({ id }) => mayUse(key, id));
    return allowed.toSorted((a, b) => rank(a).localeCompare(rank(b), 'en'));
  }

  /** Undefined if there is no such name. Does not check whether a key may use it; see `mayUse`. */
  find(id: string): ModelName | undefined {
    return this.names.get(id);
  }
}

export function mayUse({ models }: Pick<ApiKey, 'models'>, id: string): boolean {
  return models === null || models.includes(id);
}

function rank({ id }: ModelName): string {
  return id === routedModel ? '' : id;
}
