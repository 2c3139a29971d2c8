/** What the ledger knows of the sessions of API keys: never what was said in them. */

/**
 * `open` also after a day without a message: the next one begins the conversation anew. `handed_over`: a person answers in
 * place of the model.
 */
export const sessionStates = ['open', 'handed_over', 'closed'] as const;
type SessionState = (typeof sessionStates)[number];

/** A session that a request of an API key has named. */
export interface KeySession {
  /** As Temporal knows it. */
  readonly sessionId: string;
  readonly keyId: string;
  readonly createdAtMs: number;
  /** Of its last message. */
  readonly lastAtMs: number;
  readonly state: SessionState;
  /** Requests that were taken for it. */
  readonly turns: number;
  /** What it has cost, with the worst case of calls whose outcome is unknown. */
  readonly spentNanoUsd: number;
  /** When its deletion began; null: it is not deleted. */
  readonly deletedAtMs: number | null;
}

/** The session was deleted: it takes no more messages, and nothing of what was said in it is kept. */
export class SessionDeletedError extends Error {
  override readonly name = 'SessionDeletedError';

  constructor() {
    super('This session was deleted.');
  }
}

/** How many sessions one page of a list may have. */
export const maxListedSessions = 100;

/** The sessions that gateways have registered turns of. Every method is safe to repeat. */
export interface Sessions {
  /**
   * A key's sessions that are not deleted, the most recently created first, behind the one that `after` names. null: there is
   * no such session of the key.
   */
  list(keyId: string, limit: number, after: string | null): Promise<readonly KeySession[] | null>;
  /** Also one that is deleted. */
  find(sessionId: string): Promise<KeySession | null>;
  /** `sinceMs`: since when a person answers; null: the model does. */
  setHandedOver(sessionId: string, sinceMs: number | null): Promise<void>;
  /** From now on the session takes no messages. Returns false when there is no such session. */
  beginDeletion(sessionId: string, atMs: number): Promise<boolean>;
  /** Nothing of what was said is left. */
  endDeletion(sessionId: string, atMs: number): Promise<void>;
  /** Sessions whose deletion has begun and not ended, the oldest first. */
  unfinishedDeletions(limit: number): Promise<readonly string[]>;
}
