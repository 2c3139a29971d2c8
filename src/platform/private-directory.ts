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
/** What group and others may do. */
const foreignBits = 0o077;
/** Of a directory that everybody shares, such as /tmp. */
const stickyBit = 0o1000;

/** Creates a directory that only its owner can read: it holds conversations, costs and keys. */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: ownerOnly.directory });
}

/**
 * Takes the directory, and those of its files whose name begins with one of these, from everybody but their owner: an earlier
 * version, a restored backup or a generous umask may have left them open. Returns the paths that stay open, because they are
 * somebody else's or the directory is one that everybody shares. A directory that holds other files as well is left as it is.
 */
export function keepPrivate(directory: string, filePrefixes: readonly string[]): readonly string[] {
  const entries = readdirSync(directory);
  const files = entries.filter((name) => filePrefixes.some((prefix) => name.startsWith(prefix)));
  const isShared = (statSync(directory).mode & stickyBit) !== 0;
  // Others may need what else is in it: a project, or /srv. Then closed files have to do.
  const holdsOtherFiles = files.length < entries.length;
  const isPrivate = holdsOtherFiles || (!isShared && closeToOthers(directory, ownerOnly.directory));
  const openFiles = files.map((name) => join(directory, name)).filter((file) => !closeToOthers(file, ownerOnly.file));
  return isPrivate ? openFiles : [directory, ...openFiles];
}

/** Closes it to all but its owner; false if that is not possible. */
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

/** Replaces a file at once, and not before its content is on disk: nobody ever reads a part of it. */
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
