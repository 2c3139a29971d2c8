import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findRedisProgram } from '../../src/bench/redis';
import { lockFile } from '../../src/temporal-server/file-lock';
import { findOnPath } from '../../src/temporal-server/locate';
import type { Reporter } from '../../src/temporal-server/reporter';
import { cacheDirectory } from './cache-directory';

/** One archive of a megabyte and its libraries; a slow line needs a minute, a stuck one is given up. */
const installTimeoutMs = 5 * 60_000;

/**
 * Returns a Redis server's program, to be started under the name `redis-server`. The one on PATH, or else Debian's: the
 * package `redis-tools` holds the very program (as `redis-check-rdb`: its name decides what it does), without the
 * service that the package `redis-server` would start on the standard port.
 * @throws Error when there is none and none can be installed: that needs root and apt-get
 */
export async function bringRedis(report: Reporter): Promise<string> {
  const present = findRedisProgram();
  if (present !== undefined) return present;
  mkdirSync(cacheDirectory, { recursive: true });
  const lock = await lockFile(join(cacheDirectory, 'redis.lock'), () =>
    report.note('Another process is bringing Redis.'),
  );
  try {
    const broughtMeanwhile = findRedisProgram();
    if (broughtMeanwhile !== undefined) return broughtMeanwhile;
    if (process.getuid?.() !== 0 || findOnPath('apt-get', process.env['PATH'] ?? '') === undefined) {
      throw new Error('redis-server is not on PATH, and installing it takes root and apt-get');
    }
    await install(report);
  } finally {
    lock.release();
  }
  const program = findRedisProgram();
  if (program === undefined) throw new Error('the package redis-tools was installed, but brought no Redis server');
  return program;
}

async function install(report: Reporter): Promise<void> {
  const task = report.begin('Installing a Redis server with apt-get (once)');
  try {
    try {
      await aptGet('install', '--yes', '--no-install-recommends', 'redis-tools');
    } catch {
      // The lists of packages are missing or older than the packages.
      await aptGet('update');
      await aptGet('install', '--yes', '--no-install-recommends', 'redis-tools');
    }
    task.succeed('The Redis server is ready.');
  } catch (error) {
    const reason = lastLineOf(error);
    task.fail(`apt-get: ${reason}`);
    throw new Error(`redis-server is not on PATH, and apt-get cannot install it: ${reason}`, { cause: error });
  }
}

async function aptGet(...args: readonly string[]): Promise<void> {
  // One try of a few seconds for a mirror that cannot be reached; a minute for another apt-get to end.
  const limits = ['Acquire::Retries=0', 'Acquire::http::Timeout=10', 'DPkg::Lock::Timeout=60'];
  await promisify(execFile)('apt-get', [...limits.flatMap((limit) => ['-o', limit]), ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: installTimeoutMs,
  });
}

function lastLineOf(error: unknown): string {
  const { stderr } = error as { stderr?: unknown };
  const lines = typeof stderr === 'string' ? stderr.trimEnd().split('\n') : [];
  return lines.at(-1) || String(error);
}
