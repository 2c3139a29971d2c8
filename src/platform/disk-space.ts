import { statfs } from 'node:fs/promises';

/**
 * SQLite's log takes 4 MB, or more during reads, and the embedded Temporal's takes as much. On a full disk, small writes still
 * fit into the existing logs, so a test write would succeed although the next longer turn fails.
 */
const minFreeBytes = 16 * 1024 * 1024;

/** Resolves to the free space in MiB. Rejects with ENOSPC when the disk of a directory is full, or about to be. */
export async function requireDiskSpace(directory: string): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(directory);
  // Some network file systems do not report it.
  if (blocks === 0) return Infinity;
  const freeBytes = bavail * bsize;
  if (freeBytes >= minFreeBytes) return inMiB(freeBytes);
  const message = `the disk of ${directory} has ${inMiB(freeBytes)} MiB free, but ${inMiB(minFreeBytes)} MiB are needed`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}

function inMiB(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
