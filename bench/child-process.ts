import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { MemoryUse } from './live-with-parent';

export interface Child {
  readonly pid: number;
  /** What it said of itself, as one line of JSON, once it was ready. */
  readonly ready: unknown;
  /** What it holds once its garbage is collected; only of programs that `liveWithParent`. */
  memory(): Promise<MemoryUse>;
  /** Asks it to stop and waits for its end. */
  stop(): Promise<void>;
  /** Ends it at once, whatever it is doing. */
  kill(): Promise<void>;
}

/** A program of ours in a process of its own; it ends by itself when its input, which is ours, does. */
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
