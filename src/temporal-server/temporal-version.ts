import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isExecutableFile } from './programs';

/** The versions that `temporal --version` prints. A program built by `go install` reports 0.0.0-DEV as its own. */
export interface TemporalVersion {
  readonly cli: string;
  readonly server: string;
}

/** The version that is installed if none is found. */
export const pinnedVersion: TemporalVersion = { cli: '1.9.1', server: '1.32.0' };

/** The last version that can be `go install`ed: the `go.mod` of later ones has a replace directive, which Go refuses. */
export const goVersion: TemporalVersion = { cli: '1.5.1', server: '1.29.1' };

/**
 * Update-with-Start is on by default from this server version on (CLI 1.4); older ones refuse a conversation's first
 * message.
 */
export const minimumServerVersion = '1.28.0';

/** Normally 0.1 s; some systems check a new program's signature first, and a busy machine is slow. */
const versionTimeoutMs = 60_000;

/** The cache's directory of Temporal programs. */
export function temporalStore(cacheDirectory: string): string {
  return join(cacheDirectory, 'temporal');
}

export function programInStore(store: string, { cli }: TemporalVersion): string {
  return join(store, cli, 'temporal');
}

/** The newest program in the cache. */
export function findInStore(store: string): string | undefined {
  return [pinnedVersion, goVersion].map((version) => programInStore(store, version)).find(isExecutableFile);
}

/**
 * Runs `<program> --version`.
 * @throws Error if it cannot be run or is another program
 */
async function readTemporalVersion(program: string): Promise<TemporalVersion> {
  const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: versionTimeoutMs });
  const match = /^temporal version (?<cli>\S+) \(Server (?<server>[^,)\s]+)/m.exec(stdout);
  if (match?.groups === undefined) {
    throw new Error(`--version says ${JSON.stringify(stdout.slice(0, 100).trim())}, so it is not the Temporal CLI`);
  }
  const { cli = '', server = '' } = match.groups;
  return { cli, server };
}

/** @throws Error if the program, from the user's PATH or an old cache, cannot be used */
export async function readSupportedVersion(program: string): Promise<TemporalVersion> {
  const version = await readTemporalVersion(program);
  if (version.server.localeCompare(minimumServerVersion, 'en', { numeric: true }) < 0) {
    throw new Error(`its server is ${version.server}, but at least ${minimumServerVersion} (CLI 1.4) is needed`);
  }
  return version;
}

/** @throws Error if a newly installed program has an unexpected version */
export async function readExpectedVersion(program: string, expected: TemporalVersion): Promise<TemporalVersion> {
  const version = await readTemporalVersion(program);
  if (version.server !== expected.server) {
    throw new Error(`it contains server ${version.server} instead of ${expected.server}`);
  }
  return version;
}
