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

/** `sessionId` is the one whose budget the turn counts on; null for none. See docs/architecture.md, "A turn done once". */
export function turnWorkflowId(turnId: string, sessionId: string | null): string {
  return `turn/${oneShotTurnName(turnId, sessionId)}`;
}

/**
 * What a turn of a conversation is called wherever turns of all sessions meet: in the ledger, in a worker's memory, as a
 * stream. Callers choose turn ids for one session and know nothing of the ids of others. Ids hold no spaces, so that no
 * two turns share a name.
 */
export function turnName(turnId: string, sessionId: string | null): string {
  return sessionId === null ? turnId : `${turnId} in ${sessionId}`;
}

/** The same for a turn that brings its whole history: it is no part of the conversation whose budget it counts on. */
export function oneShotTurnName(turnId: string, sessionId: string | null): string {
  return sessionId === null ? turnId : `${turnId} for ${sessionId}`;
}

/** The id within a turn's name. */
export function turnIdOf(name: string): string {
  return name.split(' ', 1)[0] ?? name;
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
