import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Child {
  readonly pid: number;
  /** What it said of itself, as one line of JSON, once it was ready. */
  readonly ready: unknown;
  /** Asks it to stop and waits for its end. */
  stop(): Promise<void>;
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
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(([code]: unknown[]) => {
      throw new Error(`${script} ended with ${String(code)} before it was ready. Its messages are on stderr.`);
    }),
  ])) as [string];
  return {
    pid: child.pid ?? 0,
    ready: JSON.parse(line),
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
