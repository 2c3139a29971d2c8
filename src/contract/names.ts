/** The names that both sides of Temporal, or two processes, must agree on. */

export const defaultTaskQueue = 'bellwether';

export const conversationWorkflowType = 'conversation';
export const chatTurnWorkflowType = 'chatTurn';
/** A turn that asks for vectors or a moderation. */
export const modelRequestWorkflowType = 'modelRequest';
export const turnFeedbackWorkflowType = 'turnFeedback';
export const turnStopWorkflowType = 'turnStop';

/** The actor of automatic decisions in the audit trail; no person's key may have this name. */
export const systemActor = 'bellwether';

/** A rollout under rule 1. */
export const canaryRolloutWorkflowType = 'canaryRollout';
/**
 * The same workflow for a rollout under rule 2. A worker from before that rule ignores the field `rule` and would decide by
 * requests; it does not know this type, so its task waits for a newer worker.
 */
export const rolloutByUsersWorkflowType = 'canaryRolloutByUsers';

export function rolloutWorkflowType({ rule }: { readonly rule?: 2 }): string {
  return rule === 2 ? rolloutByUsersWorkflowType : canaryRolloutWorkflowType;
}

export const sendMessageUpdate = 'sendMessage';
export const closeSignal = 'close';
/** Its argument is the id of the turn. Conversations and one-shot turns take it. */
export const stopTurnSignal = 'stopTurn';
/** Updates of a session that a person answers. Workers from before them reject them. */
export const handOverUpdate = 'handOver';
export const giveBackUpdate = 'giveBack';
export const addMessageUpdate = 'addMessage';
export const transcriptQuery = 'transcript';
export const spendQuery = 'spend';
/** What a conversation remembers, without its texts. Workers from before branches do not know it. */
export const outlineQuery = 'outline';

/** A rollout's commands. Each is a signal and also an update of the same name, for callers that want an answer. */
export const rolloutCommandNames = ['promote', 'pause', 'resume', 'rollback', 'exclude'] as const;
/** Update that returns once the rollout has started, and fails if it was refused. */
export const begunUpdate = 'begun';
export const statusQuery = 'status';
/** The activity that records a rollout's decision, as histories name it. */
export const recordRolloutActivity = 'recordRollout';

/** Id of the update that carries a person's message. Turn ids contain no spaces. */
export function addMessageUpdateId(messageId: string): string {
  return `person ${messageId}`;
}

export function conversationWorkflowId(sessionId: string): string {
  return `conversation/${sessionId}`;
}

/** `sessionId` is the session whose budget the turn is charged to; null for none. See docs/architecture.md, "A turn done once". */
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

/** The same for a turn that carries its whole history: it is charged to the session's budget but is not part of its conversation. */
export function oneShotTurnName(turnId: string, sessionId: string | null): string {
  return sessionId === null ? turnId : `${turnId} for ${sessionId}`;
}

/** The id within a turn's name. */
export function turnIdOf(name: string): string {
  return name.split(' ', 1)[0] ?? name;
}

/** The session within a turn's name; null if it has none. */
export function sessionIdOf(name: string): string | null {
  return name.split(' ', 3)[2] ?? null;
}

/**
 * Id of the update that carries a session's turn: the turn's id. Temporal keeps the outcome of an update, so a turn that
 * ended as too late and is sent again needs another id. `round` counts from 0. Turn ids contain no spaces.
 */
export function sendMessageUpdateId(turnId: string, round: number): string {
  return round === 0 ? turnId : `${turnId} ${round + 1}`;
}

/** `feedbackId` identifies what somebody says, not the turn: a turn may get several signals, of which the last counts. */
export function feedbackWorkflowId(feedbackId: string): string {
  return `feedback/${feedbackId}`;
}

/** `stopId` identifies the request, not the turn. */
export function stopWorkflowId(stopId: string): string {
  return `stop/${stopId}`;
}

export function rolloutWorkflowId(name: string): string {
  return `rollout/${name}`;
}

/** The inverse of `rolloutWorkflowId`. */
export function rolloutOf(workflowId: string): string {
  return workflowId.replace(/^rollout\//, '');
}

/** Temporal never encrypts search attributes, so they hold only ids and states, no text and no personal names. */
export const searchAttributeNames = {
  session: 'BellwetherSession',
  state: 'BellwetherState',
  arm: 'BellwetherArm',
  provider: 'BellwetherProvider',
} as const;
