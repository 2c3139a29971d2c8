import { setTimeout as delay } from 'node:timers/promises';
import type { Reporter } from '../../terminal/reporter';

/** No single step takes longer on an idle machine. */
const usualMs = 20_000;

/**
 * No working machine is this slow: a step that makes no progress for this long hangs. A process that dies is noticed at
 * once.
 */
export const longestStandstillMs = 10 * 60_000;

const usualWatch = { standstillMs: longestStandstillMs, lookEveryMs: 500 };

/** Waits for a step and reports it, also when it takes long. @throws if it hangs */
export async function withPatience<T>(
  report: Reporter,
  title: string,
  work: Promise<T>,
  describe: (result: T) => string,
): Promise<T> {
  const task = report.begin(title);
  const slow = setTimeout(() => task.progress('this machine is slow or busy; the demonstration waits'), usualMs);
  try {
    // A step shows no progress until it is done.
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
 * Waits while every sign of progress keeps changing: for a slow machine, but not for a part that hangs. The name of a
 * sign says what it measures.
 * @throws naming the sign that stopped changing
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
  // Counts checks instead of time: while this process was suspended, nothing else had to make progress.
  let unchangedMs = 0;
  while (unchangedMs < standstillMs) {
    await delay(lookEveryMs, undefined, { signal });
    const now = await read();
    unchangedMs = now === seen ? unchangedMs + lookEveryMs : 0;
    seen = now;
  }
  throw new Error(
    `No progress for ${standstillMs / 60_000} minutes: ${what}. This is not just a slow machine: a part of the demonstration hangs. Run it again; if it hangs again, look at the logs in its data directory.`,
  );
}
