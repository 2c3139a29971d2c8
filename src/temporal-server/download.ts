import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { EnvHttpProxyAgent, request } from 'undici';
import type { ReportedTask } from '../terminal/reporter';
import { pinnedVersion } from './temporal-version';

export interface DownloadSource {
  readonly baseUrl: string;
  /** Checksums of the archives by `platform_arch`, as in `linux_amd64`. */
  readonly sha256: Readonly<Record<string, string>>;
}

/** Temporal's own mirror of the CLI's GitHub releases; the checksums are those of the release. */
export const officialDownload: DownloadSource = {
  baseUrl: 'https://temporal.download',
  sha256: {
    darwin_amd64: 'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
    darwin_arm64: 'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
    linux_amd64: 'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
    linux_arm64: 'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
  },
};

/** Whoever is behind a firewall that drops packets should not wait long for the next way. */
const connectTimeoutMs = 5_000;
/** The service looks the archive up before it answers. */
const headersTimeoutMs = 20_000;
/** A transfer that stands still this long will not go on. */
const bodyTimeoutMs = 30_000;

/**
 * Downloads and unpacks the pinned CLI into `directory`, through the environment's proxy if it names one.
 * @returns the program's path
 * @throws Error that says in one line why it did not work
 */
export async function downloadTemporal(options: {
  readonly source: DownloadSource;
  readonly directory: string;
  readonly task: ReportedTask;
  readonly signal: AbortSignal | undefined;
}): Promise<string> {
  const { source, directory, task, signal } = options;
  const { platform, architecture } = archiveTarget();
  const expected = source.sha256[`${platform}_${architecture}`];
  const url = `${source.baseUrl}/cli/archive/v${pinnedVersion.cli}?platform=${platform}&arch=${architecture}`;
  const archive = join(directory, 'temporal.tar.gz');
  const actual = await downloadFile(url, archive, task, signal);
  if (actual !== expected) {
    throw new Error(`the archive's SHA-256 is ${actual} instead of ${expected}; it was not used`);
  }
  await promisify(execFile)('tar', ['-xzf', archive, '-C', directory, 'temporal'], { signal });
  return join(directory, 'temporal');
}

function archiveTarget(): { readonly platform: string; readonly architecture: string } {
  const platform = { linux: 'linux', darwin: 'darwin' }[process.platform as string];
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch as string];
  if (platform === undefined || architecture === undefined) {
    throw new Error(`there is no archive for ${process.platform} on ${process.arch} (Linux and macOS, x64 and arm64)`);
  }
  return { platform, architecture };
}

/** Returns the file's SHA-256, in hexadecimal. */
async function downloadFile(url: string, file: string, task: ReportedTask, signal?: AbortSignal): Promise<string> {
  const dispatcher = new EnvHttpProxyAgent({
    connect: { timeout: connectTimeoutMs },
    headersTimeout: headersTimeoutMs,
    bodyTimeout: bodyTimeoutMs,
  });
  const hash = createHash('sha256');
  try {
    const response = await request(url, { dispatcher, signal });
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw new Error(`HTTP ${response.statusCode} from ${url}`);
    }
    const totalBytes = Number(response.headers['content-length']);
    let receivedBytes = 0;
    response.body.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      receivedBytes += chunk.length;
      task.progress(describeProgress(receivedBytes, totalBytes));
    });
    await pipeline(response.body, createWriteStream(file), { signal });
    return hash.digest('hex');
  } finally {
    await dispatcher.destroy();
  }
}

function describeProgress(receivedBytes: number, totalBytes: number): string {
  const received = `${(receivedBytes / 1e6).toFixed(1)} MB`;
  return totalBytes > 0 ? `${received} of ${(totalBytes / 1e6).toFixed(1)} MB` : received;
}
