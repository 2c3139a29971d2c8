import type { ApiKey } from '../../contract/api-keys';
import { armOfOperation, type OfferedModel, type Operation, operations } from '../../contract/operations';
import type { Policy } from '../../contract/policy';
import { modelNameOf } from './routing';

/** The model name that leaves the choice to routing. */
export const routedModel = 'bellwether';

export interface ModelName {
  readonly id: string;
  readonly ownedBy: string;
  /** The chain that takes the turn, or the model that it should try first; null: routing decides. */
  readonly preferred: string | null;
}

/**
 * Every model name that a request may use: the routed one, its aliases, the chains, the models of all arms, and those of
 * operations.
 */
export class ModelNames {
  private names: ReadonlyMap<string, ModelName> = new Map();

  private offered: ReadonlyMap<string, OfferedModel> = new Map();

  constructor(policy: Pick<Policy, 'arms' | 'chains' | 'offeredModels'>, aliases: readonly string[]) {
    this.use(policy, aliases);
  }

  /** In place of all names before. */
  use(policy: Pick<Policy, 'arms' | 'chains' | 'offeredModels'>, aliases: readonly string[]): void {
    const targets = Object.values(policy.arms).flatMap((arm) => arm.targets);
    const models = targets.map((target) => {
      const id = modelNameOf(target);
      return { id, ownedBy: target.provider, preferred: id };
    });
    const chains = Object.keys(policy.chains).map((id) => ({ id, ownedBy: routedModel, preferred: id }));
    const routed = [routedModel, ...aliases].map((id) => ({ id, ownedBy: routedModel, preferred: null }));
    // An alias takes precedence over a model of the same name: the operator chose it deliberately.
    this.names = new Map([...models, ...chains, ...routed].map((name) => [name.id, name]));
    this.offered = new Map(Object.entries(policy.offeredModels ?? {}));
  }

  /** In alphabetical order, the routed name first. */
  allowedTo(key: Pick<ApiKey, 'models'>): readonly ModelName[] {
    const ofOperations = [...this.offered.values()].filter(({ model }) => !this.names.has(model)).map(nameOf);
    const named = new Map([...ofOperations, ...this.names.values()].map((name) => [name.id, name]));
    const allowed = [...named.values()].filter(({ id }) => mayUse(key, id));
    return allowed.toSorted((a, b) => rank(a).localeCompare(rank(b), 'en'));
  }

  /** For chats. Undefined if there is no such name. Does not check whether a key may use it; see `mayUse`. */
  find(id: string): ModelName | undefined {
    return this.names.get(id);
  }

  findOffered(operation: Operation, model: string): OfferedModel | undefined {
    return this.offered.get(armOfOperation(operation, model));
  }

  /** The operation that a model is offered for; undefined for a model of chats. */
  operationOf(model: string): Operation | undefined {
    return operations.find((operation) => this.findOffered(operation, model) !== undefined);
  }

  /** The one that a request means that names none: the first that its key may use, if there is one. */
  firstOffered(operation: Operation, key: Pick<ApiKey, 'models'>): string | undefined {
    const names = [...this.offered.values()].filter((each) => each.operation === operation).map(({ model }) => model);
    return names.find((name) => mayUse(key, name)) ?? names[0];
  }
}

function nameOf({ model, targets }: OfferedModel): ModelName {
  return { id: model, ownedBy: targets[0]?.provider ?? routedModel, preferred: null };
}

export function mayUse({ models }: Pick<ApiKey, 'models'>, id: string): boolean {
  return models === null || models.includes(id);
}

function rank({ id }: ModelName): string {
  return id === routedModel ? '' : id;
}
