import { BellwetherError } from '../../client/errors';
import { exitStatus } from '../exit-status';

/** What `watch` ends with, so that a pipeline can go on or stop. */
export const watchStatus = { promoted: 0, rolledBack: 1, usage: 2, pausedOrHeld: 3, timedOut: 4 } as const;

export const commandStatusHelp =
  'Exit status: 0 accepted, 1 refused or failed, 2 wrong usage or configuration.\nEvery command is kept in the audit trail, with its actor and reason.';

/** What a person typed or wrote into a file is wrong; nothing was done. `message` names the field and the limit. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Does the work of a command; wrong usage ends with 2 like the wrong usage that the command line itself finds. */
export async function withUsageStatus(work: () => Promise<number | void>): Promise<void> {
  try {
    const status = await work();
    if (typeof status === 'number') process.exitCode = status;
  } catch (error) {
    const isUsage = error instanceof UsageError || (error instanceof BellwetherError && error.code === 'invalid-input');
    if (!isUsage) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = exitStatus.usageOrConfiguration;
  }
}
