import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface WorkerProcess {
  readonly pid: number;
  /** SIGKILL: nothing gets a chance to clean up. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const program = join(__dirname, '..', '..', 'cli', 'main.js');

/** Starts `bellwether worker` and returns once it polls. Its log goes to `worker.log` in the data directory. */
export async function startWorkerProcess(environment: NodeJS.ProcessEnv): Promise<WorkerProcess> {
  const dataDirectory = environment['BELLWETHER_DATA_DIR'] ?? '.';
  const child = spawn(process.execPath, [program, 'worker'], {
    cwd: dataDirectory,
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stderr });
  const logFile = join(dataDirectory, 'worker.log');
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (line.includes('worker started')) resolve();
    });
    child.once('exit', (code) =>
      reject(new Error(`The worker ended with status ${code} at once. Its log: ${logFile}`)),
    );
  });

  const end = (signal: NodeJS.Signals) => async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  return { pid: child.pid ?? 0, kill: end('SIGKILL'), stop: end('SIGTERM') };
}
