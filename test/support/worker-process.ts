import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Service } from './service';
import { testEnvironment } from './temporal';

/** A worker in its own process, so that it can be killed. */
export interface WorkerProcess {
  readonly pid: number;
  /** Resolves when it polls; rejects if it ends before that. */
  readonly started: Promise<void>;
  /** Its output so far. */
  readonly output: () => string;
  /** SIGKILL: it cannot do anything more. */
  kill(): Promise<void>;
  /** SIGTERM: it finishes its running turns. Resolves with the exit status. */
  stop(): Promise<number | null>;
}

/** @param preloads files that each of its threads loads before anything else */
export function spawnWorker(
  service: Pick<Service, 'environment' | 'directory'>,
  preloads: readonly string[] = [],
): WorkerProcess {
  const required = [join(__dirname, 'register-typescript.js'), ...preloads].flatMap((file) => ['--require', file]);
  const program = [...required, join(__dirname, 'worker-main.ts')];
  const child = spawn(process.execPath, program, {
    cwd: service.directory,
    env: {
      PATH: process.env['PATH'],
      [testEnvironment.workflowBundle]: process.env[testEnvironment.workflowBundle],
      ...service.environment,
    },
    // A worker ends with the process of its test, because its input ends.
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close');
  const started = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', () => output.includes('started\n') && resolve());
    child.once('close', (code) => reject(new Error(`The worker ended (${code}) before it polled: ${output}`)));
  });
  // A failure matters only where it is awaited.
  started.catch(() => undefined);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    await ended;
    return child.exitCode;
  };
  return {
    pid: child.pid ?? 0,
    started,
    output: () => output,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}
