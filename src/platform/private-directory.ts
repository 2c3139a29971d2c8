import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const ownerOnly = { directory: 0o700, file: 0o600 } as const;
/** The permissions of group and others. */
const foreignBits = 0o077;
/** Set on directories that everybody shares, such as /tmp. */
const stickyBit = 0o1000;

/** Creates a directory that only its owner can read: it holds conversations, costs and keys. */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: ownerOnly.directory });
}

/**
 * Closes the directory, and its files whose names begin with one of the prefixes, to everyone but their owner: an older
 * version, a restored backup or a loose umask may have left them open. A directory that also holds other files stays as it
 * is. Returns the paths that stay open, because they belong to another user, or because everybody shares the directory.
 */
export function keepPrivate(directory: string, filePrefixes: readonly string[]): readonly string[] {
  const entries = readdirSync(directory);
  const files = entries.filter((name) => filePrefixes.some((prefix) => name.startsWith(prefix)));
  const isShared = (statSync(directory).mode & stickyBit) !== 0;
  // Other users may need the other files, as in a project or in /srv; closing our own files must do.
  const holdsOtherFiles = files.length < entries.length;
  const isPrivate = holdsOtherFiles || (!isShared && closeToOthers(directory, ownerOnly.directory));
  const openFiles = files.map((name) => join(directory, name)).filter((file) => !closeToOthers(file, ownerOnly.file));
  return isPrivate ? openFiles : [directory, ...openFiles];
}

/** Closes the path to everyone but its owner; returns false if that is not possible. */
function closeToOthers(path: string, mode: number): boolean {
  // SQLite removes its logs at any time.
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.mode & foreignBits) === 0) return true;
  try {
    chmodSync(path, mode);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Creates an empty file that only its owner can use, if there is none: SQLite gives its logs the same mode. */
export function createPrivateFile(file: string): void {
  if (!existsSync(file)) closeSync(openSync(file, 'a', ownerOnly.file));
}

/** Replaces a file atomically, once its content is on disk, so that no reader ever sees a partial file. */
export function replacePrivateFile(file: string, content: string): void {
  const next = `${file}.new`;
  const descriptor = openSync(next, 'w', ownerOnly.file);
  try {
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(next, file);
}
