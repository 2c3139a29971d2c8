import { CommanderError } from 'commander';
import { InvalidInputError } from '../client/errors';
import { SettingsError } from '../config/settings';
import { printable } from '../terminal/printable';

/** Exit statuses. A command with more of them (`chat`) lists them in its help. */
export const exitStatus = { ok: 0, failed: 1, usageOrConfiguration: 2 } as const;

export const exitStatusHelp = 'Exit status: 0 done, 1 failed, 2 wrong usage or configuration.';

/** The command line or an input file is wrong; nothing was done. `message` names the field and the limit. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Prints an error once and returns the exit status for it. */
export function tellError(error: unknown, write: (text: string) => void, withStack: boolean): number {
  if (error instanceof CommanderError) {
    // Commander has already printed its message or the help.
    return error.exitCode === 0 ? exitStatus.ok : exitStatus.usageOrConfiguration;
  }
  const known = error instanceof Error ? error : new Error(String(error));
  write(`${printable(withStack ? stackOf(known) : known.message)}\n`);
  const isUsage = [UsageError, InvalidInputError, SettingsError].some((kind) => known instanceof kind);
  return isUsage ? exitStatus.usageOrConfiguration : exitStatus.failed;
}

/** Includes the stacks of the causes, because the command line rewords some errors. */
function stackOf({ stack, message, cause }: Error): string {
  const own = stack ?? message;
  return cause instanceof Error ? `${own}\nCaused by: ${stackOf(cause)}` : own;
}

/** Exit statuses of `watch`, so that a pipeline can continue or stop. */
export const watchStatus = { promoted: 0, rolledBack: 1, pausedOrHeld: 3, timedOut: 4 } as const;

export const commandStatusHelp =
  'Exit status: 0 accepted, 1 refused or failed, 2 wrong usage or configuration.\nThe audit trail records every command with its actor and reason.';
