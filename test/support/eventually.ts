import { setTimeout as sleep } from 'node:timers/promises';

/** A round that took longer is one in which this process stood still, mostly with the others: that is no time they had. */
const longestRoundMs = 5_000;

/** Waits for what another process does. Fails after `timeoutMs`, which is no measure of speed but an end of patience. */
export async function eventually(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  let waitedMs = 0;
  let roundBeganAtMs = performance.now();
  while (!(await isTrue())) {
    if (waitedMs > timeoutMs) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(20);
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - roundBeganAtMs, longestRoundMs);
    roundBeganAtMs = nowMs;
  }
}
