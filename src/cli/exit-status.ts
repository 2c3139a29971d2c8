import { CommanderError } from 'commander';

/** What a process ends with. Commands with more to say (`chat`) name theirs in their help. */
export const exitStatus = { ok: 0, failed: 1, usageOrConfiguration: 2 } as const;

export const exitStatusHelp = 'Exit status: 0 done, 1 failed, 2 wrong usage or configuration.';

/** Tells an error to the person at the terminal, once, and returns the exit status for it. */
export function tellError(error: unknown, write: (text: string) => void, withStack: boolean): number {
  if (error instanceof CommanderError) {
    // Commander has written its own message, or the help that was asked for.
    return error.exitCode === 0 ? exitStatus.ok : exitStatus.usageOrConfiguration;
  }
  const known = error instanceof Error ? error : new Error(String(error));
  write(`${withStack && known.stack ? known.stack : known.message}\n`);
  return known.name === 'SettingsError' ? exitStatus.usageOrConfiguration : exitStatus.failed;
}
