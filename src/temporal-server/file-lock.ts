import Database from 'better-sqlite3';

export interface FileLock {
  release(): void;
}

/**
 * Takes the lock on `path` (a file made for nothing else), or returns undefined when another holder has it. SQLite holds
 * it as a lock of the operating system: it ends with its process however that ends, so there is no stale lock to wait for.
 */
export function tryLockFile(path: string): FileLock | undefined {
  const database = new Database(path, { timeout: 0 });
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
