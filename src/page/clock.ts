import { useEffect, useState } from 'preact/hooks';
import { serverNowMs } from './server-time';

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

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
