/** A request that the gateway took, before its turn is begun. Holds no text of any message. */
export interface NewRequest {
  /** Made by the gateway for this very request. */
  readonly turnId: string;
  /** The API key that it came with. */
  readonly keyId: string;
  /** null for a stateless request. */
  readonly sessionId: string | null;
  /** As the caller sent it; only its SHA-256 is stored. */
  readonly idempotencyKey: string | null;
  /** Tells requests with one idempotency key but different bodies apart. */
  readonly bodyHash: string;
  readonly atMs: number;
}

/** One turn of the gateway and whose it is. */
export interface RegisteredRequest {
  readonly turnId: string;
  readonly keyId: string;
  readonly sessionId: string | null;
  readonly bodyHash: string;
  readonly createdAtMs: number;
}

export interface Registration extends RegisteredRequest {
  /** False when the API key used the idempotency key before: the rest is then the earlier request's. */
  readonly isNew: boolean;
}

export interface FoundRequest extends RegisteredRequest {
  /** `in-progress` also while the turn has not begun. */
  readonly outcome: 'in-progress' | 'answered' | 'degraded' | 'refused';
}

export interface Requests {
  /**
   * Keeps the request and returns it; with an idempotency key that this API key used before, returns the earlier one
   * instead and keeps nothing. The same registration again, by its turn id, gets the same answer.
   */
  register(request: NewRequest): Promise<Registration>;
  /** null for a turn that no gateway began. */
  find(turnId: string): Promise<FoundRequest | null>;
}
