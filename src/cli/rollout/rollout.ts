import { Command } from 'commander';
import { pauseCommand, promoteCommand, resumeCommand, rollbackCommand } from './operate';
import { simulateCommand } from './simulate';
import { startCommand } from './start';
import { statusCommand } from './status';

/** `bellwether rollout`: moves traffic from one arm to another while the evidence holds. */
export function rolloutCommand(): Command {
  const command = new Command('rollout').description('move traffic from one arm to another, by evidence');
  const subcommands = [
    startCommand(),
    statusCommand(),
    promoteCommand(),
    pauseCommand(),
    resumeCommand(),
    rollbackCommand(),
    simulateCommand(),
  ];
  for (const subcommand of subcommands) command.addCommand(subcommand.exitOverride());
  return command.addHelpText('after', '\nExit statuses are in the help of each: bellwether rollout watch --help');
}
