import { join } from 'node:path';
import { findOnPath, isExecutableFile } from './locate';
import type { Reporter } from './reporter';
import { isSupported, minimumServerVersion, readTemporalVersion, type TemporalVersion } from './temporal-version';

/** The version that is brought when none is found. Later ones carry a replace directive and cannot be `go install`ed. */
export const pinnedVersion = '1.5.1';

export interface TemporalBinary {
  readonly path: string;
  readonly version: TemporalVersion;
  readonly source: 'path' | 'cache' | 'download' | 'go-install';
}

export interface EnsureTemporalOptions {
  readonly cacheDirectory: string;
  readonly report: Reporter;
  /** A PATH variable. Default: this process's own. */
  readonly path?: string;
}

export async function ensureTemporalBinary(options: EnsureTemporalOptions): Promise<TemporalBinary> {
  const { cacheDirectory, path = process.env['PATH'] ?? '' } = options;
  const candidates = [
    { source: 'path', file: findOnPath('temporal', path) },
    { source: 'cache', file: join(cacheDirectory, 'temporal', pinnedVersion, 'temporal') },
  ] as const;
  for (const { source, file } of candidates) {
    if (file === undefined || !isExecutableFile(file)) continue;
    const version = await readTemporalVersion(file);
    if (isSupported(version)) return { path: file, version, source };
    options.report.note(`${file} is too old: server ${version.server}, needed ${minimumServerVersion}.`);
  }
  throw new Error('No Temporal program was found.');
}
