import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bringProgram } from './bring';
import { downloadTemporal, officialDownload, type DownloadSource } from './download';
import { lockFile } from './file-lock';
import { goInstallTemporal, goPackage } from './go-install';
import { findOnPath, isExecutableFile } from './locate';
import { errorMessage } from '../contract/failures';
import type { Reporter } from '../terminal/reporter';
import { TemporalNotFoundError, type FailedWay } from './temporal-not-found';
import { pinnedVersion, readSupportedVersion, type TemporalVersion } from './temporal-version';

export interface TemporalBinary {
  readonly path: string;
  readonly version: TemporalVersion;
  readonly source: 'path' | 'cache' | 'download' | 'go-install';
}

export interface EnsureTemporalOptions {
  /** The program is kept in `temporal/<version>/` below it. */
  readonly cacheDirectory: string;
  readonly report: Reporter;
  /** A PATH variable, for `temporal` and `go`. Default: this process's own. */
  readonly path?: string;
  /** Default: Temporal's own server. */
  readonly download?: DownloadSource;
  /** Ends a download or a build. */
  readonly signal?: AbortSignal;
}

/** One way to have the program: returns it, or throws an error that says why this way does not work. */
interface Way {
  readonly name: string;
  readonly use: () => Promise<TemporalBinary>;
}

/**
 * Finds the Temporal CLI on PATH or in our cache, or else brings it, by download or with Go, which takes minutes and is
 * reported. What is brought is tried before it is put into the cache, by one rename; of several processes one brings it
 * and the others wait.
 * @throws TemporalNotFoundError naming every way that was tried
 */
export async function ensureTemporalBinary(options: EnsureTemporalOptions): Promise<TemporalBinary> {
  const { report, signal, path = process.env['PATH'] ?? '' } = options;
  const cached = join(options.cacheDirectory, 'temporal', pinnedVersion.cli, 'temporal');
  const failed: FailedWay[] = [];
  const onPath: Way = { name: 'temporal on PATH', use: () => useExisting('path', findOnPath('temporal', path)) };
  const inCache: Way = { name: `our cache, ${cached}`, use: () => useExisting('cache', cached) };
  const found = await firstThatWorks([onPath, inCache], failed, signal);
  if (found !== undefined) return found;

  const store = dirname(cached);
  mkdirSync(store, { recursive: true });
  const onWait = (): void => report.note('Another process is bringing Temporal; waiting for it.');
  const lock = await lockFile(join(store, 'lock'), onWait, signal);
  try {
    const whileWaiting = await firstThatWorks([inCache], [], signal);
    if (whileWaiting !== undefined) return whileWaiting;
    const brought = await firstThatWorks([byDownload(options, cached), byGo(options, cached, path)], failed, signal);
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
  if (file === undefined || !isExecutableFile(file)) throw new Error('not there');
  try {
    return { path: file, version: await readSupportedVersion(file), source };
  } catch (error) {
    throw new Error(`${file} cannot be used: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

function byDownload(options: EnsureTemporalOptions, destination: string): Way {
  const { report, signal, download: source = officialDownload } = options;
  const name = `download from ${source.baseUrl}`;
  return {
    name,
    async use() {
      const version = await bringProgram({
        title: `Temporal CLI ${pinnedVersion.cli}, ${name}`,
        destination,
        report,
        make: (directory, task) => downloadTemporal({ source, directory, task, signal }),
      });
      return { path: destination, version, source: 'download' };
    },
  };
}

function byGo(options: EnsureTemporalOptions, destination: string, path: string): Way {
  const { report, signal } = options;
  return {
    name: `go install ${goPackage}`,
    async use() {
      const goProgram = findOnPath('go', path);
      if (goProgram === undefined) throw new Error('Go is not on PATH');
      const version = await bringProgram({
        title: `Temporal CLI ${pinnedVersion.cli}, built with Go (once, about 3 minutes)`,
        destination,
        report,
        make: (directory, task) => goInstallTemporal({ goProgram, directory, task, signal }),
      });
      return { path: destination, version, source: 'go-install' };
    },
  };
}
