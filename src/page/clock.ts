import { useEffect, useState } from 'preact/hooks';

/** The server's time in the browser: countdowns and ages must not depend on how the viewer's clock is set. */

let offsetMs: number | null = null;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

/**
 * Tells what time the server said it was. Data that comes late looks old, so the largest difference is the truest one; it is
 * measured against a clock that nobody can set.
 */
export function observeServerTime(atMs: number): void {
  const observed = atMs - performance.now();
  offsetMs = offsetMs === null ? observed : Math.max(offsetMs, observed);
}

/** Milliseconds since 1970 by the server's clock. */
export function serverNowMs(): number {
  return offsetMs === null ? Date.now() : performance.now() + offsetMs;
}

/** The server's time, once a second. All components share one timer, which runs as long as one of them is shown. */
export function useNow(): number {
  const [nowMs, setNowMs] = useState(serverNowMs);
  useEffect(() => {
    const tell = () => setNowMs(serverNowMs());
    tell();
    listeners.add(tell);
    timer ??= setInterval(() => listeners.forEach((listener) => listener()), 1000);
    return () => {
      listeners.delete(tell);
      if (listeners.size > 0 || timer === null) return;
      clearInterval(timer);
      timer = null;
    };
  }, []);
  return nowMs;
}
