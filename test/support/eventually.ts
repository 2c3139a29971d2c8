import { setTimeout as sleep } from 'node:timers/promises';

/** In a longer round, this process was stalled, mostly with all others: that time does not count. */
const longestRoundMs = 5_000;

/** Waits for another process. Fails after `timeoutMs`, which is a limit of patience, not a measure of speed. */
export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  let waitedMs = 0;
  let roundBeganAtMs = performance.now();
  while (!(await isTrue())) {
    if (waitedMs > timeoutMs) throw new Error(`Not true within ${timeoutMs} ms: ${what}`);
    await sleep(20);
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - roundBeganAtMs, longestRoundMs);
    roundBeganAtMs = nowMs;
  }
}
