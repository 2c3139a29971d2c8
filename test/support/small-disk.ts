import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own in memory, which a test can fill. */
export interface SmallDisk {
  readonly directory: string;
  /** Leaves so much free. Default: nothing. */
  fill(freeMiB?: number): void;
  free(): void;
  setReadOnly(): void;
  remove(): void;
}

/** Like `describe`, where this user may mount one; elsewhere skipped with the reason. */
export function describeWithSmallDisk(title: string, suite: () => void): void {
  const reason = whyNone();
  if (reason === undefined) describe(title, suite);
  else describe.skip(`${title} (skipped: ${reason})`, suite);
}

export function mountSmallDisk(sizeMiB = 48): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-disk-'));
  mount('-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=700`, 'tmpfs', directory);
  const filler = join(directory, 'filler');
  return {
    directory,
    fill(freeMiB = 0) {
      const { bavail, bsize } = statfsSync(directory);
      writeFileSync(filler, Buffer.alloc(bavail * bsize - freeMiB * 1024 * 1024));
    },
    free: () => rmSync(filler),
    setReadOnly: () => mount('-o', 'remount,ro', directory),
    remove() {
      // Lazy, because a server that was killed may still have its files open.
      execFileSync('umount', ['--lazy', directory]);
      rmdirSync(directory);
    },
  };
}

function mount(...args: readonly string[]): void {
  execFileSync('mount', args, { stdio: 'pipe' });
}

function whyNone(): string | undefined {
  if (process.platform !== 'linux' || !existsSync('/bin/mount')) return 'only Linux has tmpfs';
  try {
    mountSmallDisk(1).remove();
    return undefined;
  } catch {
    return 'this user may not mount a file system';
  }
}
