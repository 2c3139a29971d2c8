import { accessSync, constants, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { errorMessage } from '../contract/failures';
import type { ReportedTask, Reporter } from '../terminal/reporter';

/** Prefix of directories with an unfinished download or build. */
const unfinishedPrefix = 'unfinished-';

/** The first executable file of that name in the directories of a PATH variable. */
export function findOnPath(program: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((directory) => directory !== '')
    .map((directory) => join(directory, program))
    .find(isExecutableFile);
}

export function isExecutableFile(file: string): boolean {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return false;
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Installs a program, or a directory with one, at `destination`: `make` puts it into a directory in `store`, `check`
 * tests it there, and one rename moves it into place, so that no process sees a partial installation. The caller holds
 * the store's lock, so anything unfinished was left by a process that died, and is removed.
 */
export async function bringProgram<T>(options: {
  readonly title: string;
  /** On the same file system as the destination. */
  readonly store: string;
  /** Its parent directory must exist. */
  readonly destination: string;
  readonly report: Reporter;
  readonly make: (directory: string, task: ReportedTask) => Promise<string>;
  /** @throws Error if the program is not the expected one */
  readonly check: (program: string) => Promise<T>;
}): Promise<T> {
  const { title, store, destination, report, make, check } = options;
  removeUnfinished(store);
  const directory = mkdtempSync(join(store, unfinishedPrefix));
  const task = report.begin(title);
  try {
    const program = await make(directory, task);
    const checked = await check(program);
    renameSync(program, destination);
    task.succeed(`${title}: done, ${destination}`);
    return checked;
  } catch (error) {
    task.fail(`${title}: ${errorMessage(error)}`);
    throw error;
  } finally {
    removeUnfinished(store);
  }
}

function removeUnfinished(store: string): void {
  for (const name of readdirSync(store).filter((entry) => basename(entry).startsWith(unfinishedPrefix))) {
    rmSync(join(store, name), { recursive: true, force: true });
  }
}
