import type { ApiKey } from '../../contract/api-keys';
import type { Policy } from '../../contract/policy';

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
    const allowed = [...this.names.values()].filter(({ id }) => mayUse(key, id));
    return allowed.toSorted((a, b) => rank(a).localeCompare(rank(b), 'en'));
  }

  /** Undefined where there is no such name; whether a key may use it is for `mayUse`. */
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
