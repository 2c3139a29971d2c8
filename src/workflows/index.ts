/** What the worker's sandbox holds. Nothing reachable from here may touch the network, the clock or the disk. */
export { chatTurn } from './chat-turn';
export { conversation } from './conversation';
