/** The entry point of the workflow bundle. Nothing reachable from here may use the network, the clock or the disk. */
// Two types, one function: see `rolloutByUsersWorkflowType`.
export { canaryRollout, canaryRollout as canaryRolloutByUsers } from './canary-rollout';
export { chatTurn } from './chat-turn';
export { modelRequest } from './model-request';
export { conversation } from './conversation';
export { turnFeedback } from './turn-feedback';
export { turnStop } from './turn-stop';
