import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { cp, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
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
  /**
   * Unpacks the package into this directory instead of installing it, which would start a service. Only for programs that
   * need nothing of their package but their files.
   */
  readonly unpackInto?: string;
}

/**
 * Returns a program's path, after installing or unpacking Debian's package if necessary.
 * @throws Error if there is none and none can be had: that requires apt-get, and root unless the package is only unpacked
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
    const mayInstall = program.unpackInto !== undefined || process.getuid?.() === 0;
    if (!mayInstall || findOnPath('apt-get', process.env['PATH'] ?? '') === undefined) {
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

async function install({ title, packageName, unpackInto }: DebianProgram, report: Reporter): Promise<void> {
  const task = report.begin(`Installing ${title} with apt-get (once)`);
  const bring = () =>
    unpackInto === undefined
      ? aptGet(['install', '--yes', '--no-install-recommends', packageName])
      : unpack(packageName, unpackInto);
  try {
    try {
      await bring();
    } catch {
      // The package lists are missing or outdated.
      await aptGet(['update']);
      await bring();
    }
    task.succeed(`Installed ${title}.`);
  } catch (error) {
    const reason = lastLineOf(error);
    task.fail(`apt-get: ${reason}`);
    throw new Error(`there is no ${title} here, and apt-get cannot install it: ${reason}`, { cause: error });
  }
}

async function unpack(packageName: string, directory: string): Promise<void> {
  const downloads = await mkdtemp(join(tmpdir(), 'bellwether-deb-'));
  try {
    await aptGet(['download', packageName], downloads);
    const [file = ''] = await readdir(downloads);
    const unpacked = join(downloads, 'unpacked');
    await promisify(execFile)('dpkg-deb', ['--extract', join(downloads, file), unpacked]);
    // Copied beside and renamed: an interrupted copy is not taken for a whole one.
    await cp(unpacked, `${directory}.new`, { recursive: true });
    await rename(`${directory}.new`, directory);
  } finally {
    await rm(downloads, { recursive: true });
  }
}

async function aptGet(args: readonly string[], workingDirectory?: string): Promise<void> {
  // One short attempt at an unreachable mirror; a minute for another apt-get to end.
  const limits = ['Acquire::Retries=0', 'Acquire::http::Timeout=10', 'DPkg::Lock::Timeout=60'];
  await promisify(execFile)('apt-get', [...limits.flatMap((limit) => ['-o', limit]), ...args], {
    cwd: workingDirectory,
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
