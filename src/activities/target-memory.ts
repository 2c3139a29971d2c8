import type { BreakerPolicy } from '../contract/policy';
import { type Asked, TargetBreakers } from './target-breakers';

/** What this worker has learnt of its targets. */
export class TargetMemory {
  readonly breakers: TargetBreakers;
  private readonly refusingPrefill = new Set<string>();

  constructor(policy: BreakerPolicy) {
    this.breakers = new TargetBreakers(policy);
  }

  /** Whether a call that went on from a begun answer was refused for that, while the same call without it was not. */
  refusesPrefill({ provider, model }: Asked): boolean {
    return this.refusingPrefill.has(`${provider} ${model}`);
  }

  prefillRefused({ provider, model }: Asked): void {
    this.refusingPrefill.add(`${provider} ${model}`);
  }
}
