import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs';

const tailBytes = 8 * 1024;

/** Opens the log for a new run; the log of the run before stays beside it as `….previous`. Returns a file descriptor. */
export function openRunLog(path: string): number {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0) renameSync(path, `${path}.previous`);
  return openSync(path, 'w');
}

/** The last lines of the log, for an error message. */
export function lastLogLines(path: string, lines = 15): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(file);
  }
}
