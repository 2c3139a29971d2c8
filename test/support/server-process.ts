import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';

/** Sends the signal and waits until the process has ended; does nothing if it has already ended. */
export async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill(signal);
  await ended;
}

/**
 * Starts a shell that waits for the end of its input, a pipe from this process: however this process ends (SIGKILL,
 * too), the shell stops the server, within 10 s or by SIGKILL, and removes its directory. It ends with the server.
 */
export function endWithUs(server: ChildProcess, directory: string): void {
  if (server.pid === undefined) return;
  const isRunning = 'kill -0 "$0" 2>/dev/null';
  const script = `
    read -r _
    kill -INT "$0"
    for _ in 1 2 3 4 5 6 7 8 9 10; do ${isRunning} || break; sleep 1; done
    ${isRunning} && kill -KILL "$0"
    rm -rf "$1"`;
  const watcher = spawn('sh', ['-c', script, String(server.pid), directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watcher.unref();
  if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  server.once('exit', () => watcher.kill());
}
