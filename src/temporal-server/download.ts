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

/**
 * Temporal's own mirror of the CLI's GitHub releases. The checksums are the release's, as other projects publish them;
 * an archive that does not match is rejected, and the next method is tried.
 */
export const officialDownload: DownloadSource = {
  baseUrl: 'https://temporal.download',
  sha256: {
    darwin_amd64: '48cdd6c84c56e27ae8e4d9a47052b89289a9c552dee029b49dd312c6fb72873f',
    darwin_arm64: '41e0425378fcb4fb5766340b97435e20fe47bbff2d7bf644ec2d51f7662b7c56',
    linux_amd64: '09a0326a51db84d02735e53542b9ebd8c4758daf47482a9ab0abce15844e60d5',
    linux_arm64: '6c57c352d52fc3df34412376fd9ba6f74b7e3ace8e426e6cba8600156d36a145',
  },
};

/** Behind a firewall that drops packets, users should not wait long for the next method. */
const connectTimeoutMs = 5_000;
/** The service looks the archive up before it answers. */
const headersTimeoutMs = 20_000;
/** A transfer that stalls for this long will not recover. */
const bodyTimeoutMs = 30_000;

/**
 * Downloads and unpacks the pinned CLI into `directory`, through the environment's proxy if it names one.
 * @returns the program's path
 * @throws Error with a one-line reason
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
