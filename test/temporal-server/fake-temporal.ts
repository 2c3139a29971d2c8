import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { DownloadSource } from '../../src/temporal-server/download';
import { goVersion, pinnedVersion } from '../../src/temporal-server/temporal-version';

/** A shell script in `directory`, executable. Returns its path. */
export async function writeProgram(directory: string, name: string, script: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, name);
  await writeFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

/** What a Temporal CLI with this server prints for `--version`. */
export function versionScript(server: string): string {
  return `echo "temporal version 1.2.3 (Server ${server}, UI 2.54.1)"`;
}

/**
 * A `go` whose `install` writes a line to `journal` and makes a program of the version that Go can build; with
 * `untilMade`, only once that file exists. It stops waiting when the journal is removed, so that it does not outlive
 * its test.
 */
export function goScript(journal: string, untilMade?: string): string {
  return [
    `echo "install $3" >> '${journal}'`,
    `echo "go: downloading go.temporal.io/server v${goVersion.server}" >&2`,
    'echo "go.temporal.io/server/common" >&2',
    ...(untilMade === undefined ? [] : [`while [ -e '${journal}' ] && [ ! -e '${untilMade}' ]; do sleep 0.1; done`]),
    `printf '#!/bin/sh\\n${versionScript(goVersion.server)}\\n' > "$GOBIN/temporal"`,
    'chmod +x "$GOBIN/temporal"',
  ].join('\n');
}

/** A `python3` whose pip writes its requirements to `journal` and installs a program with this server version. */
export function pipScript(journal: string, server = pinnedVersion.server): string {
  return [
    'while [ $# -gt 0 ]; do',
    '  case "$1" in --target) target=$2 ;; -r) requirements=$2 ;; esac',
    '  shift',
    'done',
    `cat "$requirements" >> '${journal}'`,
    'mkdir -p "$target/bin"',
    `printf '#!/bin/sh\\n${versionScript(server)}\\n' > "$target/bin/temporal"`,
    'chmod +x "$target/bin/temporal"',
  ].join('\n');
}

/** The archive of a release: a program `temporal` with this server version. */
export async function makeArchive(directory: string, server: string): Promise<Buffer> {
  await writeProgram(directory, 'temporal', versionScript(server));
  const archive = join(directory, 'archive.tar.gz');
  await promisify(execFile)('tar', ['-czf', archive, '-C', directory, 'temporal']);
  return readFile(archive);
}

export interface DownloadServer {
  readonly baseUrl: string;
  /** The requested URLs. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export async function startDownloadServer(answer: RequestListener): Promise<DownloadServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the download server has no port');
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The same checksum for every platform. */
export function sourceOf(server: DownloadServer, archive: Buffer): DownloadSource {
  const checksum = createHash('sha256').update(archive).digest('hex');
  const targets = ['darwin_amd64', 'darwin_arm64', 'linux_amd64', 'linux_arm64'];
  return { baseUrl: server.baseUrl, sha256: Object.fromEntries(targets.map((target) => [target, checksum])) };
}
