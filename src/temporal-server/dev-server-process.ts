import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { homedir, tmpdir } from 'node:os';

/** A server stops within a second. One that does not is stuck and is killed; its data survives that. */
const stopTimeoutMs = 10_000;
/** How much of the log is read for an error message. */
const tailBytes = 8 * 1024;

interface DevServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface DevServerProcess {
  readonly pid: number;
  /** Resolves when the process is gone, for whatever reason. */
  readonly exited: Promise<DevServerExit>;
  /** Stops it cleanly, or with SIGKILL if it is stuck. */
  stop(): Promise<void>;
  /** SIGKILL, for tests and demonstrations of a crash. */
  kill(): Promise<void>;
}

/** Starts the program in its own process group and writes its output to the log file. */
export async function spawnDevServer(
  binary: string,
  programArguments: readonly string[],
  logFile: string,
): Promise<DevServerProcess> {
  const logDescriptor = openRunLog(logFile);
  // The database that it creates holds conversations.
  const umaskBefore = process.umask(0o077);
  const child = spawn(binary, programArguments, {
    detached: true,
    stdio: ['ignore', logDescriptor, logDescriptor],
    // Not our own environment: it contains keys, and TEMPORAL_* settings that are not meant for this server.
    env: { HOME: homedir(), TMPDIR: tmpdir() },
  });
  process.umask(umaskBefore);
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
 * Starts a shell that waits for the end of its input, a pipe from this process. However this process ends, even by
 * SIGKILL, the shell then stops the server.
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

/** Opens the log for a new run and returns its file descriptor. Keeps the previous run's log as `….previous`. */
function openRunLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) renameSync(path, `${path}.previous`);
  return openSync(path, 'w', 0o600);
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
