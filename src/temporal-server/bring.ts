import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorMessage } from '../contract/failures';
import type { ReportedTask, Reporter } from '../terminal/reporter';
import { readPinnedVersion, type TemporalVersion } from './temporal-version';

/** Names of the directories in which a download or a build is under way. */
const unfinishedPrefix = 'unfinished-';

/**
 * Makes `destination` a working program: `make` puts one into a directory beside it, it is tried there, and one rename
 * puts it in place, so that nobody ever sees a half of it. The caller holds the lock: what is unfinished was left behind
 * by a process that died, and is removed.
 */
export async function bringProgram(options: {
  readonly title: string;
  readonly destination: string;
  readonly report: Reporter;
  readonly make: (directory: string, task: ReportedTask) => Promise<string>;
}): Promise<TemporalVersion> {
  const { title, destination, report, make } = options;
  const store = dirname(destination);
  removeUnfinished(store);
  const directory = mkdtempSync(join(store, unfinishedPrefix));
  const task = report.begin(title);
  try {
    const program = await make(directory, task);
    const version = await readPinnedVersion(program);
    renameSync(program, destination);
    task.succeed(`${title}: done, ${destination}`);
    return version;
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
