import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What `temporal --version` says of itself. A program built by `go install` names its own version 0.0.0-DEV. */
export interface TemporalVersion {
  readonly cli: string;
  readonly server: string;
}

/** Update-with-Start is on by default from server 1.28 (command-line tool 1.4); before it, a first message is refused. */
export const minimumServerVersion = '1.28.0';

/** Starting takes 0.1 s; a first start checks the program's signature on some systems. */
const versionTimeoutMs = 15_000;

/**
 * Runs `<program> --version`.
 * @throws Error when it cannot be run or says something else
 */
export async function readTemporalVersion(program: string): Promise<TemporalVersion> {
  const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: versionTimeoutMs });
  const match = /^temporal version (?<cli>\S+) \(Server (?<server>[^,)\s]+)/m.exec(stdout);
  if (match?.groups === undefined) {
    throw new Error(`its --version says ${JSON.stringify(stdout.slice(0, 100).trim())}, which is not the Temporal CLI`);
  }
  const { cli = '', server = '' } = match.groups;
  return { cli, server };
}

export function isSupported(version: TemporalVersion): boolean {
  return version.server.localeCompare(minimumServerVersion, 'en', { numeric: true }) >= 0;
}
