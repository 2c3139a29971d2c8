import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';

export interface Child {
  readonly pid: number;
  /** The line of JSON that it printed once it was ready. */
  readonly ready: unknown;
  /** Its memory after garbage collection; only for programs that call `liveWithParent`. */
  memory(): Promise<MemoryUse>;
  /** Asks it to stop and waits until it has ended. */
  stop(): Promise<void>;
  /** Kills it at once. */
  kill(): Promise<void>;
}

/** Starts one of our programs in its own process; it ends when its standard input does, as when this process ends. */
export async function startChild(
  script: string,
  scriptArguments: readonly string[],
  nodeOptions: readonly string[] = [],
): Promise<Child> {
  const child = spawn(process.execPath, [...process.execArgv, ...nodeOptions, script, ...scriptArguments], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const lines = createInterface(child.stdout);
  const nextLine = async (): Promise<unknown> => {
    const [line] = (await Promise.race([
      once(lines, 'line'),
      ended.then(([code]: unknown[]) => {
        throw new Error(`${script} ended with ${String(code)} before it answered. Its messages are on stderr.`);
      }),
    ])) as [string];
    return JSON.parse(line);
  };
  return {
    pid: child.pid ?? 0,
    ready: await nextLine(),
    memory: () => {
      child.stdin.write('memory\n');
      return nextLine() as Promise<MemoryUse>;
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface MemoryUse {
  readonly rssBytes: number;
  /** JavaScript's objects, and the buffers that belong to them. */
  readonly heapBytes: number;
}

/** Objects that the first collection frees may release others. */
const collections = 3;

/**
 * For programs that `startChild` starts: reports that it is ready, answers questions about its memory, and stops at the
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

/** The unit of CPU time on Linux; 100 per second on every machine that Node runs on. */
const ticksPerSecond = 100;

/**
 * User and system time of a process with all its threads, in milliseconds: to 10 ms on Linux, elsewhere as `ps` reports
 * it.
 */
export function cpuTimeMs(pid: number): number {
  if (pid === process.pid) {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }
  return platform() === 'linux' ? fromProc(pid) : fromPs(pid);
}

function fromProc(pid: number): number {
  // The second field is the program's name in parentheses, which may contain spaces: count from after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return (ticks * 1000) / ticksPerSecond;
}

/** `[[hours:]minutes:]seconds`, with a fraction on some systems. */
function fromPs(pid: number): number {
  const time = execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  return time.split(':').reduce((seconds, part) => seconds * 60 + Number(part), 0) * 1000;
}
