/** The UTC day of a time: `2026-11-23`. */
export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

export function dayScope(day: string): string {
  return `day:${day}`;
}

export function sessionScope(sessionId: string): string {
  return `session:${sessionId}`;
}

/** The total cost of an API key's turns. */
export function keyScope(keyId: string): string {
  return `key:${keyId}`;
}

export function keyDayScope(keyId: string, day: string): string {
  return `${keyScope(keyId)}/${dayScope(day)}`;
}

/**
 * The order in which every transaction locks rows, after the turn's own. It prevents deadlocks, and the day's row, which
 * every turn of the service needs, is held for the shortest time. A key's days are only ever locked after the key.
 */
const lockOrder = ['session', 'key', 'key-day', 'day'] as const;

/** A budget that an attempt is charged to. */
export interface Scope {
  readonly kind: (typeof lockOrder)[number];
  /** The `scope` of its row in `budgets`. */
  readonly name: string;
}

/** What determines an attempt's scopes. */
export interface CountedOn {
  readonly sessionId: string | null;
  readonly keyId: string | null;
  readonly day: string;
}

/** In lock order. */
export function scopesOf({ sessionId, keyId, day }: CountedOn): readonly Scope[] {
  const scopes: Scope[] = [];
  if (sessionId !== null) scopes.push({ kind: 'session', name: sessionScope(sessionId) });
  if (keyId !== null) {
    scopes.push({ kind: 'key', name: keyScope(keyId) }, { kind: 'key-day', name: keyDayScope(keyId, day) });
  }
  scopes.push({ kind: 'day', name: dayScope(day) });
  return scopes;
}

/** Sorts the scopes of several attempts into lock order, with days ascending. */
export function byLockOrder(a: Scope, b: Scope): number {
  const difference = lockOrder.indexOf(a.kind) - lockOrder.indexOf(b.kind);
  return difference === 0 ? (a.name < b.name ? -1 : 1) : difference;
}
