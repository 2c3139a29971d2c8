import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../src/temporal-server/ports';
import { end, endWithUs } from './server-process';

/** Set by global-setup: the program, or the reason why there is none. */
export const redisEnvironment = {
  program: 'BELLWETHER_TEST_REDIS',
  missing: 'BELLWETHER_TEST_REDIS_MISSING',
} as const;

/** A Redis for tests, in a temporary directory. */
export interface TestRedis {
  readonly url: string;
  /** Stops it cleanly and removes its directory. */
  stop(): Promise<void>;
  /** SIGKILL to the server. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, with the same URL. Its data is kept, or lost as in a purely in-memory cache. */
  restart(data: 'kept' | 'lost'): Promise<void>;
  /** Suspends it: connections stay open, but nothing is answered. `resume` ends that. */
  pause(): void;
  resume(): void;
}

export interface RedisOptions {
  /** The password that clients need; it is in `url`. */
  readonly password?: string;
}

/** Like `describe`, if there is a Redis; otherwise skipped with the reason, but in CI it fails. */
export function describeWithRedis(title: string, suite: () => void): void {
  const reason = process.env[redisEnvironment.missing];
  if (reason === undefined) {
    describe(`${title} (Redis)`, suite);
  } else if (process.env.CI === 'true') {
    describe(`${title} (Redis)`, () => {
      test('CI has a Redis to test with', () => expect(reason).toBeUndefined());
    });
  } else {
    describe.skip(`${title} (Redis, skipped: ${reason})`, suite);
  }
}

export async function startRedis({ password }: RedisOptions = {}): Promise<TestRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-redis-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  try {
    const port = await findFreePort('127.0.0.1');
    const start = () => startServer({ directory, data, port, password });
    let server = await start();
    return {
      url: `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}/0`,
      async stop() {
        server.kill('SIGCONT'); // a paused server would not hear
        await end(server, 'SIGTERM');
        await rm(directory, { recursive: true });
      },
      kill: () => end(server, 'SIGKILL'),
      async restart(fate) {
        if (fate === 'lost') {
          await rm(data, { recursive: true });
          mkdirSync(data);
        }
        server = await start();
      },
      pause: () => void server.kill('SIGSTOP'),
      resume: () => void server.kill('SIGCONT'),
    };
  } catch (error) {
    await rm(directory, { recursive: true });
    throw error;
  }
}

interface ServerPlace {
  /** Contains everything that the server needs. */
  readonly directory: string;
  readonly data: string;
  readonly port: number;
  readonly password: string | undefined;
}

/** The port may have been taken since it was checked: earlier connections may hold it for a moment. */
async function startServer(place: ServerPlace): Promise<ChildProcess> {
  const giveUpAtMs = performance.now() + 40_000;
  for (;;) {
    const { server, failure } = await tryStart(place);
    if (failure === undefined) return server;
    if (performance.now() > giveUpAtMs) throw new Error(`Redis did not start: ${failure}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function tryStart({ directory, data, port, password }: ServerPlace) {
  const program = process.env[redisEnvironment.program];
  if (program === undefined) throw new Error('There is no Redis here; use describeWithRedis.');
  // Every command is in the file before it is answered. It need not survive a power failure, so there is no fsync.
  const keeping = ['--appendonly', 'yes', '--appendfsync', 'no', '--save', ''];
  const access = password === undefined ? [] : ['--requirepass', password];
  const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', data];
  const server = spawn(program, [...place, ...keeping, ...access], {
    argv0: 'redis-server',
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  endWithUs(server, directory);
  return new Promise<{ readonly server: ChildProcess; readonly failure?: string }>((resolve) => {
    let log = '';
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Ready to accept connections')) resolve({ server });
    });
    server.once('error', (error) => resolve({ server, failure: error.message }));
    server.once('exit', () => resolve({ server, failure: log }));
  });
}
