import { Command } from 'commander';
import { createCommand } from './create';
import { listCommand } from './list';
import { revokeCommand } from './revoke';

/** `bellwether keys`: who may use the gateway, and what they may spend. */
export function keysCommand(): Command {
  const command = new Command('keys').description('API keys of the gateway, with budgets of their own');
  for (const subcommand of [createCommand(), listCommand(), revokeCommand()]) {
    command.addCommand(subcommand.exitOverride());
  }
  return command.addHelpText('after', '\nOptions are in the help of each: bellwether keys create --help');
}
