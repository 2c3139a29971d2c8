import { setTimeout as delay } from 'node:timers/promises';

const pollEveryMs = 250;

/** Asks until the answer is yes. Throws, naming what it waited for, when it is not within the time. */
export async function eventually(what: string, timeoutMs: number, isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadlineMs) throw new Error(`${what} did not happen within ${timeoutMs / 1_000} s`);
    await delay(pollEveryMs);
  }
}
