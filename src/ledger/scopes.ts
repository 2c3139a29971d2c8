/** UTC day of a time, `2026-11-23`. */
export function utcDay(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

export function dayScope(day: string): string {
  return `day:${day}`;
}

export function sessionScope(sessionId: string): string {
  return `session:${sessionId}`;
}

/** All that an API key's turns cost. */
export function keyScope(keyId: string): string {
  return `key:${keyId}`;
}

export function keyDayScope(keyId: string, day: string): string {
  return `${keyScope(keyId)}/${dayScope(day)}`;
}

/**
 * The order in which every transaction locks rows, after the turn's own: so none waits in a circle, and the day's row,
 * which every turn of the service wants, is held shortest. A key's days are only ever locked behind the key.
 */
const lockOrder = ['session', 'key', 'key-day', 'day'] as const;

/** Something that an attempt's money counts on. */
export interface Scope {
  readonly kind: (typeof lockOrder)[number];
  /** As its row in `budgets` is named. */
  readonly name: string;
}

/** What decides on an attempt's scopes. */
export interface CountedOn {
  readonly sessionId: string | null;
  readonly keyId: string | null;
  readonly day: string;
}

/** In the order in which they are locked. */
export function scopesOf({ sessionId, keyId, day }: CountedOn): readonly Scope[] {
  const scopes: Scope[] = [];
  if (sessionId !== null) scopes.push({ kind: 'session', name: sessionScope(sessionId) });
  if (keyId !== null) {
    scopes.push({ kind: 'key', name: keyScope(keyId) }, { kind: 'key-day', name: keyDayScope(keyId, day) });
  }
  scopes.push({ kind: 'day', name: dayScope(day) });
  return scopes;
}

/** Sorts scopes of several attempts into the order in which they are locked, days ascending. */
export function byLockOrder(a: Scope, b: Scope): number {
  const difference = lockOrder.indexOf(a.kind) - lockOrder.indexOf(b.kind);
  return difference === 0 ? (a.name < b.name ? -1 : 1) : difference;
}
