/** `chat` keys send turns; `operator` keys are for who runs the service. */
export type KeyRole = 'chat' | 'operator';

export interface ApiKey {
  /** Visible to everybody: it stands in lists, in turns' inputs and on attempts. */
  readonly id: string;
  /** For people, such as `support-bot`; several keys may share one, as when a key is replaced. */
  readonly name: string;
  readonly role: KeyRole;
  /** What its turns may cost in one UTC day, and altogether; null: no limit of its own. */
  readonly dayNanoUsd: number | null;
  readonly totalNanoUsd: number | null;
  /** The models it may name; null: all. */
  readonly models: readonly string[] | null;
  /** null: no limit of its own. */
  readonly requestsPerMinute: number | null;
  readonly createdAtMs: number;
  /** From this moment on it is refused; null: never. */
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** A key with what proves it; only for `checkApiKey`. */
export interface StoredApiKey extends ApiKey {
  /** SHA-256 of the key's secret, in hex. The secret itself is stored nowhere. */
  readonly secretHash: string;
}

/** A key with what its turns have cost so far; unconfirmed attempts count at their worst case, those in flight not. */
export interface ListedApiKey extends ApiKey {
  readonly spentTodayNanoUsd: number;
  readonly spentNanoUsd: number;
}

export type NewApiKey = Omit<StoredApiKey, 'revokedAtMs'>;

/** The API keys that the gateway lets in. As with all of the ledger, every method may be repeated. */
export interface ApiKeys {
  /** Throws when another key has this id. */
  create(key: NewApiKey): Promise<void>;
  /** All keys, also revoked and expired ones, oldest first; today is the UTC day of `nowMs`. */
  list(nowMs: number): Promise<readonly ListedApiKey[]>;
  find(id: string): Promise<StoredApiKey | null>;
  /** Revoking it again keeps the first time. False when there is no such key. */
  revoke(id: string, atMs: number): Promise<boolean>;
}
