import type { RetryPolicy } from '../contract/policy';

type BudgetPolicy = Pick<RetryPolicy, 'budgetPercent' | 'budgetPerSecond'>;

/** Retries that an idle provider saves up, in seconds: enough for all retries of a few turns that fail at the same time. */
const idleSeconds = 10;

/** The most that answered calls save up: a busy provider survives a bad second, and an outage begins with no flood. */
const mostSaved = 100;

/**
 * How many retries each provider gets from this worker: a share of its answered calls, and a few per second on top, so that a
 * lone turn gets its retries. Without it, turns multiply the calls to a provider that is in trouble. First calls are not
 * counted.
 */
export class RetryBudgets {
  private readonly budgets = new Map<string, { retries: number; atMs: number }>();

  constructor(private readonly policy: BudgetPolicy) {}

  answered(provider: string): void {
    const budget = this.budgetOf(provider);
    budget.retries = Math.min(budget.retries + this.policy.budgetPercent / 100, Math.max(budget.retries, mostSaved));
  }

  /** True if the provider may be called again; that retry is then used up. */
  take(provider: string): boolean {
    const budget = this.budgetOf(provider);
    if (budget.retries < 1) return false;
    budget.retries -= 1;
    return true;
  }

  private budgetOf(provider: string): { retries: number; atMs: number } {
    const { budgetPerSecond } = this.policy;
    const idle = budgetPerSecond * idleSeconds;
    const nowMs = Date.now();
    const budget = this.budgets.get(provider) ?? { retries: idle, atMs: nowMs };
    const sinceThen = (Math.max(0, nowMs - budget.atMs) / 1000) * budgetPerSecond;
    budget.retries = Math.max(budget.retries, Math.min(idle, budget.retries + sinceThen));
    budget.atMs = nowMs;
    this.budgets.set(provider, budget);
    return budget;
  }
}
