/** The server's time in the browser: countdowns and ages must not depend on how the viewer's clock is set. */

/** A server whose clock was set back is believed after twice this time. */
const periodMs = 60_000;

interface Period {
  readonly beganAtMs: number;
  /** The largest difference between the server's clock and the browser's own, which nobody can set. */
  readonly offsetMs: number;
}

let current: Period | null = null;
let previous: Period | null = null;

/** Tells what time the server said it was. Data that comes late looks old, so the largest difference is the truest one. */
export function observeServerTime(atMs: number): void {
  const nowMs = performance.now();
  const offsetMs = atMs - nowMs;
  if (current !== null && nowMs - current.beganAtMs < periodMs) {
    current = { ...current, offsetMs: Math.max(current.offsetMs, offsetMs) };
    return;
  }
  previous = current;
  current = { beganAtMs: nowMs, offsetMs };
}

/** Milliseconds since 1970 by the server's clock. */
export function serverNowMs(): number {
  if (current === null) return Date.now();
  return performance.now() + Math.max(current.offsetMs, previous?.offsetMs ?? -Infinity);
}
