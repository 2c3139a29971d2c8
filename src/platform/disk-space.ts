import { statfs } from 'node:fs/promises';

/**
 * SQLite's log takes 4 MB, more while somebody reads, and the embedded Temporal's as much. On a full disk small writes still
 * fit into what the logs have, so that a write alone would not show it; the next longer turn would.
 */
const minFreeBytes = 16 * 1024 * 1024;

/** Resolves to the free space in MiB. Rejects with ENOSPC when the disk of a directory is full, or about to be. */
export async function requireDiskSpace(directory: string): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(directory);
  // Some network file systems do not say.
  if (blocks === 0) return Infinity;
  const freeBytes = bavail * bsize;
  if (freeBytes >= minFreeBytes) return inMiB(freeBytes);
  const message = `the disk of ${directory} has ${inMiB(freeBytes)} MiB free, and ${inMiB(minFreeBytes)} are needed`;
  throw Object.assign(new Error(message), { code: 'ENOSPC' });
}

function inMiB(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
