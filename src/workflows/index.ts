/** What the worker's sandbox holds. Nothing reachable from here may touch the network, the clock or the disk. */
export { canaryRollout } from './canary-rollout';
export { chatTurn } from './chat-turn';
export { conversation } from './conversation';
