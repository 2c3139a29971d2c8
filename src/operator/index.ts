/** The API for operators' programs, imported as `bellwether/operator`. Unlike `bellwether`, it opens the ledger. */
export { openOperator } from './rollout-operator';
export type { SentBack } from './emergency';
export type { CommandOutcome, RolloutOperator } from './rollout-operator';
export type { Liveness, RolloutView } from './view';
export type { RolloutWarning } from './warnings';
export type { WatchEnd, WatchOptions } from './watch';
