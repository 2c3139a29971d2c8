import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lockFile } from '../../src/temporal-server/file-lock';
import { findOnPath } from '../../src/temporal-server/programs';
import type { Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';

/** A browser has some hundred megabytes; a slow connection takes minutes, a stuck one is aborted. */
const installTimeoutMs = 10 * 60_000;

export interface DebianProgram {
  /** Its common name: `a Redis server`. */
  readonly title: string;
  /** Debian's package that contains it. */
  readonly packageName: string;
  /** Returns its path if it is already installed. */
  readonly find: () => string | undefined;
}

/**
 * Returns a program's path, after installing Debian's package if necessary.
 * @throws Error if there is none and none can be installed, which requires root and apt-get
 */
export async function bringDebianProgram(program: DebianProgram, report: Reporter): Promise<string> {
  const { title, packageName, find } = program;
  const present = find();
  if (present !== undefined) return present;
  mkdirSync(cacheDirectory, { recursive: true });
  // One lock for all packages: apt-get cannot run concurrently.
  const lock = await lockFile(join(cacheDirectory, 'apt-get.lock'), () =>
    report.note(`Another process is installing packages; ${title} is next.`),
  );
  try {
    const broughtMeanwhile = find();
    if (broughtMeanwhile !== undefined) return broughtMeanwhile;
    if (process.getuid?.() !== 0 || findOnPath('apt-get', process.env['PATH'] ?? '') === undefined) {
      throw new Error(`there is no ${title} here, and installing it requires root and apt-get`);
    }
    await install(program, report);
  } finally {
    lock.release();
  }
  const installed = find();
  if (installed === undefined) throw new Error(`the package ${packageName} was installed, but contains no ${title}`);
  return installed;
}

async function install({ title, packageName }: DebianProgram, report: Reporter): Promise<void> {
  const task = report.begin(`Installing ${title} with apt-get (once)`);
  try {
    try {
      await aptGet('install', '--yes', '--no-install-recommends', packageName);
    } catch {
      // The package lists are missing or outdated.
      await aptGet('update');
      await aptGet('install', '--yes', '--no-install-recommends', packageName);
    }
    task.succeed(`Installed ${title}.`);
  } catch (error) {
    const reason = lastLineOf(error);
    task.fail(`apt-get: ${reason}`);
    throw new Error(`there is no ${title} here, and apt-get cannot install it: ${reason}`, { cause: error });
  }
}

async function aptGet(...args: readonly string[]): Promise<void> {
  // One short attempt at an unreachable mirror; a minute for another apt-get to end.
  const limits = ['Acquire::Retries=0', 'Acquire::http::Timeout=10', 'DPkg::Lock::Timeout=60'];
  await promisify(execFile)('apt-get', [...limits.flatMap((limit) => ['-o', limit]), ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: installTimeoutMs,
    // It reports every package that it unpacks, and a browser has many.
    maxBuffer: 64 * 1024 * 1024,
  });
}

function lastLineOf(error: unknown): string {
  const { stderr } = error as { stderr?: unknown };
  const lines = typeof stderr === 'string' ? stderr.trimEnd().split('\n') : [];
  return lines.at(-1) || String(error);
}
