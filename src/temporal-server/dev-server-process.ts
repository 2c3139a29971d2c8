import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { homedir, tmpdir } from 'node:os';

/** It stops within a second; one that does not is stuck and is killed, which its data survives. */
const stopTimeoutMs = 10_000;
/** Of the log, for an error message. */
const tailBytes = 8 * 1024;

interface DevServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface DevServerProcess {
  readonly pid: number;
  /** Resolves when the process is gone, for whatever reason. */
  readonly exited: Promise<DevServerExit>;
  /** Stops it cleanly, with SIGKILL when it is stuck. */
  stop(): Promise<void>;
  /** SIGKILL, for tests and demonstrations of a crash. */
  kill(): Promise<void>;
}

/** Starts the program in a process group of its own, its output going to the log file. */
export async function spawnDevServer(
  binary: string,
  programArguments: readonly string[],
  logFile: string,
): Promise<DevServerProcess> {
  const logDescriptor = openRunLog(logFile);
  const child = spawn(binary, programArguments, {
    detached: true,
    stdio: ['ignore', logDescriptor, logDescriptor],
    // Not our own environment: it holds keys, and TEMPORAL_* settings that are not meant for this server.
    env: { HOME: homedir(), TMPDIR: tmpdir() },
  });
  closeSync(logDescriptor);
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error('it was started without a process id');

  const exited = new Promise<DevServerExit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const watcher = stopWhenWeEnd(pid);
  void exited.then(() => watcher.kill());

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    pid,
    exited,
    kill: () => end('SIGKILL'),
    async stop() {
      const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
      await end('SIGTERM');
      clearTimeout(timer);
    },
  };
}

/**
 * A shell that waits for the end of its input, which is ours: however this process ends (SIGKILL too), the server is told
 * to stop and is not left behind.
 */
function stopWhenWeEnd(pid: number): ChildProcess {
  const watcher = spawn('sh', ['-c', `read -r _; kill -TERM ${pid}`], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  return watcher;
}

/** Opens the log for a new run; the log of the run before stays beside it as `….previous`. Returns a file descriptor. */
function openRunLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) renameSync(path, `${path}.previous`);
  return openSync(path, 'w');
}

/** The last lines of the log, for an error message. */
export function lastLogLines(path: string, lines = 15): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(file);
  }
}
