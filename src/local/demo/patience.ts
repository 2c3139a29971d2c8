import { setTimeout as delay } from 'node:timers/promises';
import type { Reporter } from '../../terminal/reporter';

/** No single step takes longer on a quiet machine. */
const usualMs = 20_000;

/**
 * No machine that works is this slow: what has not moved for so long hangs. A process that dies is noticed at once, so
 * nobody waits this long for one.
 */
export const longestStandstillMs = 10 * 60_000;

const usualWatch = { standstillMs: longestStandstillMs, lookEveryMs: 500 };

/** Waits for a step under its title, and says so when it takes long. @throws when it hangs */
export async function withPatience<T>(
  report: Reporter,
  title: string,
  work: Promise<T>,
  describe: (result: T) => string,
): Promise<T> {
  const task = report.begin(title);
  const slow = setTimeout(() => task.progress('this machine is slow or busy; the demonstration waits'), usualMs);
  try {
    // Nothing can be seen of it until it is done.
    const result = await whileMoving(work, { [title.trim()]: () => 'not done' });
    task.succeed(describe(result));
    return result;
  } catch (error) {
    task.fail(`${title}: failed`);
    throw error;
  } finally {
    clearTimeout(slow);
  }
}

/**
 * Waits for as long as every sign changes from time to time: for a slow machine, but not for a part that hangs. Signs are
 * named after what they tell of.
 * @throws naming the one that stands still
 */
export async function whileMoving<T>(
  work: Promise<T>,
  signs: Readonly<Record<string, () => unknown>>,
  watch = usualWatch,
): Promise<T> {
  const done = new AbortController();
  const watching = Object.entries(signs).map(([what, read]) => standstillOf(what, read, watch, done.signal));
  try {
    return await Promise.race([work, ...watching]);
  } finally {
    done.abort();
  }
}

/** Rejects once the sign has not changed for that long. */
async function standstillOf(
  what: string,
  read: () => unknown,
  { standstillMs, lookEveryMs }: typeof usualWatch,
  signal: AbortSignal,
): Promise<never> {
  let seen = await read();
  // Looks are counted rather than time: while this process stood still, nothing else had to move.
  let unchangedMs = 0;
  while (unchangedMs < standstillMs) {
    await delay(lookEveryMs, undefined, { signal });
    const now = await read();
    unchangedMs = now === seen ? unchangedMs + lookEveryMs : 0;
    seen = now;
  }
  throw new Error(
    `Nothing has moved for ${standstillMs / 60_000} minutes: ${what}. That is no slow machine; a part of the demonstration hangs. Run it again; if it hangs again, look into the logs in its data directory.`,
  );
}
