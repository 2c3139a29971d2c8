import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';

export interface MemoryUse {
  readonly rssBytes: number;
  /** JavaScript's objects, and the buffers that belong to them. */
  readonly heapBytes: number;
}

/** What the first collection lets go of may let go of more. */
const collections = 3;

/**
 * For a program that `startChild` starts, once it is ready: says so, answers questions about its memory, and stops at the
 * end of its input.
 */
export function liveWithParent(ready: unknown, stop: () => Promise<unknown>): void {
  const questions = createInterface(process.stdin);
  questions.on('line', () => void measureMemory().then(say));
  questions.once('close', () => void stop());
  // Ctrl-C reaches every process of a terminal; the benchmark itself ends this one.
  process.on('SIGINT', () => undefined);
  say(ready);
}

async function measureMemory(): Promise<MemoryUse> {
  for (let done = 0; done < collections; done += 1) {
    globalThis.gc?.();
    await setImmediate();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed + external };
}

function say(line: unknown): void {
  console.log(JSON.stringify(line));
}
