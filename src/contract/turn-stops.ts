/** How a turn ended; `in-progress` if it has not, which includes turns that have not started yet. */
export type TurnState = 'in-progress' | 'answered' | 'degraded' | 'refused' | 'stopped';

/** How long a request to stop a turn is kept: longer than any turn lasts. */
export const stopKeptForMs = 24 * 60 * 60 * 1000;

/**
 * Requests to stop turns. A turn is checked for one when it is admitted and before each further call, in the same
 * transaction: from the moment that a request is committed, no new call begins. Calls in flight are found by `among`.
 */
export interface TurnStops {
  /**
   * Asks for the end of a turn, under each of the names that it may have. Once it has ended, nothing is asked for.
   * @returns the turn's state before
   */
  ask(turnNames: readonly string[], atMs: number): Promise<TurnState>;
  /**
   * Asks for the end of those turns of a conversation whose calls are under way, except for the one that interrupts them. Once
   * that has begun itself, nothing is asked for: its message was sent again.
   */
  askAllOf(sessionId: string, exceptTurn: string, atMs: number): Promise<void>;
  /** Those of the turns that are to be stopped. */
  among(turnNames: readonly string[]): Promise<readonly string[]>;
  /** Forgets old requests; returns how many there were. */
  prune(nowMs: number): Promise<number>;
}
