import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteFile } from '../platform/better-sqlite3';

export interface FileLock {
  release(): void;
}

/** A waiting person does not notice half a second. */
const waitIntervalMs = 500;

/**
 * Takes the lock on `path` (a file used for nothing else), or returns undefined if it is held. SQLite uses a lock of
 * the operating system, which is released however its process ends: there are no stale locks, and a lock that is held
 * for long needs no refreshing.
 */
export function tryLockFile(path: string): FileLock | undefined {
  const database = openSqliteFile(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'SQLITE_BUSY')
      return undefined;
    throw error;
  }
  return { release: () => void database.close() };
}

/** Like `tryLockFile`, but waits for another holder. `onWait` is called once if there is one. */
export async function lockFile(path: string, onWait: () => void, signal?: AbortSignal): Promise<FileLock> {
  let lock = tryLockFile(path);
  if (lock === undefined) onWait();
  while (lock === undefined) {
    await sleep(waitIntervalMs, undefined, { signal });
    lock = tryLockFile(path);
  }
  return lock;
}
