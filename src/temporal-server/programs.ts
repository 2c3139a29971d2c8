import { accessSync, constants, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { errorMessage } from '../contract/failures';
import type { ReportedTask, Reporter } from '../terminal/reporter';

/** Names of the directories in which a download or a build is under way. */
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
 * Brings a program, or a directory with one, to `destination`: `make` puts it into a directory in `store`, `check` tries
 * it there, and one rename puts it in place, so that nobody ever sees a half of it. The caller holds the store's lock:
 * what is unfinished was left behind by a process that died, and is removed.
 */
export async function bringProgram<T>(options: {
  readonly title: string;
  /** On the same file system as the destination. */
  readonly store: string;
  /** In a directory that exists. */
  readonly destination: string;
  readonly report: Reporter;
  readonly make: (directory: string, task: ReportedTask) => Promise<string>;
  /** @throws Error when the program is not what was asked for */
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
