import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteFile } from '../platform/better-sqlite3';

export interface FileLock {
  release(): void;
}

/** A person who waits does not notice half a second. */
const waitIntervalMs = 500;

/**
 * Takes the lock on `path` (a file made for nothing else), or returns undefined when another holder has it. SQLite holds
 * it as a lock of the operating system: it ends with its process however that ends, so there is no stale lock to wait for,
 * and however long it is held, nothing has to be refreshed.
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

/** As `tryLockFile`, but waits for the other holder. `onWait` is called once, when there is one. */
export async function lockFile(path: string, onWait: () => void, signal?: AbortSignal): Promise<FileLock> {
  let lock = tryLockFile(path);
  if (lock === undefined) onWait();
  while (lock === undefined) {
    await sleep(waitIntervalMs, undefined, { signal });
    lock = tryLockFile(path);
  }
  return lock;
}
