/** Somebody who is logged in to the operator's page. Kept in the ledger, so that the cookie works at every gateway. */
export interface PageSession {
  /** SHA-256 of the session's id, in hex. Only the cookie has the id, so reading the ledger does not log anyone in. */
  readonly idHash: string;
  /** The API key that logged in. The session ends with it. */
  readonly keyId: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

/** Sessions of one key. Whoever logs in more often ends the oldest ones. */
export const maxSessionsOfKey = 100;

export interface PageSessions {
  /** Also forgets sessions that have expired, and the key's oldest ones beyond `maxSessionsOfKey`. */
  create(session: PageSession): Promise<void>;
  /** Those that exist, expired or not, with one query. */
  findAll(idHashes: readonly string[]): Promise<readonly PageSession[]>;
  end(idHash: string): Promise<void>;
}
