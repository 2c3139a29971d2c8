/** What an operator's program imports as `bellwether/operator`: it opens the ledger, which `bellwether` alone does not. */
export { openOperator } from './rollout-operator';
export type { CommandOutcome, RolloutOperator } from './rollout-operator';
export type { Liveness, RolloutView } from './view';
export type { WatchEnd, WatchOptions } from './watch';
