import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { findFreePort } from '../src/temporal-server/ports';
import { findOnPath } from '../src/temporal-server/programs';

export interface RedisServer {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Finds a Redis server's program. Start it under the name `redis-server`: under another name, such as that of Debian's
 * package `redis-tools`, the same program does something else.
 */
export function findRedisProgram(): string | undefined {
  const path = process.env['PATH'] ?? '';
  return ['redis-server', 'redis-check-rdb']
    .map((program) => findOnPath(program, path))
    .find((program) => program !== undefined && isRedisServer(program));
}

/** Starts an in-memory Redis, which is enough for streams, on a free port. @throws Error if it does not start */
export async function startRedis(program: string, directory: string): Promise<RedisServer> {
  const port = String(await findFreePort('127.0.0.1'));
  const place = ['--bind', '127.0.0.1', '--port', port, '--dir', directory];
  const server = spawn(program, [...place, '--save', '', '--appendonly', 'no'], {
    argv0: 'redis-server',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => server.kill());
  const ended = once(server, 'exit');
  await new Promise<void>((resolve, reject) => {
    let log = '';
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('Ready to accept connections')) resolve();
    });
    server.once('error', reject);
    server.once('exit', () => reject(new Error(`Redis did not start: ${log.trimEnd().split('\n').at(-1)}`)));
  });
  return {
    pid: server.pid ?? 0,
    url: `redis://127.0.0.1:${port}/0`,
    stop: async () => {
      server.kill();
      await ended;
    },
  };
}

function isRedisServer(program: string): boolean {
  const { stdout } = spawnSync(program, ['--version'], { argv0: 'redis-server', encoding: 'utf8' });
  return stdout.startsWith('Redis server');
}
