/** Every name that both sides of Temporal, or two processes, must agree on. */

export const defaultTaskQueue = 'bellwether';

export const conversationWorkflowType = 'conversation';
export const chatTurnWorkflowType = 'chatTurn';
export const canaryRolloutWorkflowType = 'canaryRollout';

export const sendMessageUpdate = 'sendMessage';
export const closeSignal = 'close';
export const transcriptQuery = 'transcript';
export const spendQuery = 'spend';

/** A rollout's commands, each a signal and, for an answer, an update of the same name. */
export const rolloutCommandNames = ['promote', 'pause', 'resume', 'rollback'] as const;
/** Update that answers once the rollout has begun, or was refused. */
export const begunUpdate = 'begun';
export const statusQuery = 'status';

export function conversationWorkflowId(sessionId: string): string {
  return `conversation/${sessionId}`;
}

export function turnWorkflowId(turnId: string): string {
  return `turn/${turnId}`;
}

export function rolloutWorkflowId(name: string): string {
  return `rollout/${name}`;
}

/** Search attributes are never encrypted by Temporal: they hold ids and states, no text and no names of people. */
export const searchAttributeNames = {
  session: 'BellwetherSession',
  state: 'BellwetherState',
  arm: 'BellwetherArm',
  provider: 'BellwetherProvider',
} as const;
