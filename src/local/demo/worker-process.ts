import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface WorkerProcess {
  readonly pid: number;
  /** Resolves once it polls; rejects if it ends before that. */
  readonly started: Promise<void>;
  /** Rejects if it ends unexpectedly; pending otherwise. */
  readonly lost: Promise<never>;
  /** SIGKILL: nothing gets a chance to clean up. */
  kill(): Promise<void>;
  /** SIGTERM: it finishes its running turns. */
  stop(): Promise<void>;
}

/** Runs `bellwether worker`. Its log goes to `worker.log` in the data directory. */
export function spawnWorker(program: string, environment: NodeJS.ProcessEnv): WorkerProcess {
  const dataDirectory = environment['BELLWETHER_DATA_DIR'] ?? '.';
  const child = spawn(process.execPath, [program, 'worker'], {
    cwd: dataDirectory,
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { pid = 0 } = child;
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const logFile = join(dataDirectory, 'worker.log');
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
  const lines = createInterface({ input: child.stderr });

  // However this process ends, its worker must not outlive it: a second Ctrl-C, or the spinner's, ends this process at
  // once.
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const hasExited = (): void => void process.off('exit', endWithUs);
  exited.then(hasExited, hasExited);

  let isExpectedToEnd = false;
  const lost = new Promise<never>((_, reject) => {
    const tell = (how: string): void => {
      const help = 'The demonstration cannot go on without it. Its log says why';
      if (!isExpectedToEnd) reject(new Error(`The worker (process ${pid}) ${how}. ${help}: ${logFile}`));
    };
    exited.then(
      ([code, signal]) => tell(`ended with ${signal ?? `status ${code}`}`),
      (error: Error) => tell(`could not be started: ${error.message}`),
    );
  });
  const polls = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line.includes('worker started')) resolve();
    });
  });
  const started = Promise.race([polls, lost]);
  for (const promise of [lost, started]) promise.catch(() => undefined);

  const end = (signal: NodeJS.Signals) => async (): Promise<void> => {
    isExpectedToEnd = true;
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  return { pid, started, lost, kill: end('SIGKILL'), stop: end('SIGTERM') };
}
