import type { RetryPolicy } from '../contract/policy';

type BudgetPolicy = Pick<RetryPolicy, 'budgetPercent' | 'budgetPerSecond'>;

/** For how long an idle provider saves up retries: enough for a few turns that fail at the same time. */
const idleSeconds = 10;

/** The most retries that answered calls save up: enough for a bad second of a busy provider, too few for a flood. */
const mostSaved = 100;

/**
 * Limits this worker's retries of each provider to a share of its answered calls plus a few per second, so that a lone
 * turn still gets its retries. Without a limit, retries would multiply the load on a provider that is in trouble. First
 * calls do not count.
 */
export class RetryBudgets {
  private readonly budgets = new Map<string, { retries: number; atMs: number }>();

  constructor(private policy: BudgetPolicy) {}

  configure(policy: BudgetPolicy): void {
    this.policy = policy;
  }

  answered(provider: string): void {
    const budget = this.budgetOf(provider);
    budget.retries = Math.min(budget.retries + this.policy.budgetPercent / 100, Math.max(budget.retries, mostSaved));
  }

  /** Uses up one retry. Returns false if there is none left. */
  take(provider: string): boolean {
    const budget = this.budgetOf(provider);
    if (budget.retries < 1) return false;
    budget.retries -= 1;
    return true;
  }

  private budgetOf(provider: string): { retries: number; atMs: number } {
    const { budgetPerSecond } = this.policy;
    // At least one, so that a lone turn gets a retry even at a low rate.
    const idle = budgetPerSecond === 0 ? 0 : Math.max(1, budgetPerSecond * idleSeconds);
    const nowMs = Date.now();
    const budget = this.budgets.get(provider) ?? { retries: idle, atMs: nowMs };
    const sinceThen = (Math.max(0, nowMs - budget.atMs) / 1000) * budgetPerSecond;
    budget.retries = Math.max(budget.retries, Math.min(idle, budget.retries + sinceThen));
    budget.atMs = nowMs;
    this.budgets.set(provider, budget);
    return budget;
  }
}
