/** Every name that both sides of Temporal, or two processes, must agree on. */

export const defaultTaskQueue = 'bellwether';

export const conversationWorkflowType = 'conversation';
export const chatTurnWorkflowType = 'chatTurn';

export const sendMessageUpdate = 'sendMessage';
export const closeSignal = 'close';
export const transcriptQuery = 'transcript';
export const spendQuery = 'spend';

export function conversationWorkflowId(sessionId: string): string {
  return `conversation/${sessionId}`;
}

export function turnWorkflowId(turnId: string): string {
  return `turn/${turnId}`;
}

/** Search attributes are never encrypted by Temporal: they hold ids and states, no text and no names of people. */
export const searchAttributeNames = {
  session: 'BellwetherSession',
  state: 'BellwetherState',
  arm: 'BellwetherArm',
  provider: 'BellwetherProvider',
} as const;
