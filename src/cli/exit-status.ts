import { CommanderError } from 'commander';
import { InvalidInputError } from '../client/errors';
import { SettingsError } from '../config/settings';

/** What a process ends with. Commands with more to say (`chat`) name theirs in their help. */
export const exitStatus = { ok: 0, failed: 1, usageOrConfiguration: 2 } as const;

export const exitStatusHelp = 'Exit status: 0 done, 1 failed, 2 wrong usage or configuration.';

/** What a person typed or wrote into a file is wrong; nothing was done. `message` names the field and the limit. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Tells an error to the person at the terminal, once, and returns the exit status for it. */
export function tellError(error: unknown, write: (text: string) => void, withStack: boolean): number {
  if (error instanceof CommanderError) {
    // Commander has written its own message, or the help that was asked for.
    return error.exitCode === 0 ? exitStatus.ok : exitStatus.usageOrConfiguration;
  }
  const known = error instanceof Error ? error : new Error(String(error));
  write(`${withStack ? stackOf(known) : known.message}\n`);
  const isUsage = [UsageError, InvalidInputError, SettingsError].some((kind) => known instanceof kind);
  return isUsage ? exitStatus.usageOrConfiguration : exitStatus.failed;
}

/** With those of the errors that it stands for: one in the words of the command line comes from another one. */
function stackOf({ stack, message, cause }: Error): string {
  const own = stack ?? message;
  return cause instanceof Error ? `${own}\nCaused by: ${stackOf(cause)}` : own;
}

/** What `watch` ends with, so that a pipeline can go on or stop. */
export const watchStatus = { promoted: 0, rolledBack: 1, pausedOrHeld: 3, timedOut: 4 } as const;

export const commandStatusHelp =
  'Exit status: 0 accepted, 1 refused or failed, 2 wrong usage or configuration.\nEvery command is kept in the audit trail, with its actor and reason.';
