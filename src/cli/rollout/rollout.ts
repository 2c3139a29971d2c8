import { Command } from 'commander';
import { explainCommand } from './explain';
import { historyCommand } from './history';
import { pauseCommand, promoteCommand, resumeCommand, rollbackCommand } from './operate';
import { reportCommand } from './report';
import { simulateCommand } from './simulate';
import { startCommand } from './start';
import { statusCommand } from './status';
import { verifyCommand } from './verify';
import { watchCommand } from './watch';

/** `bellwether rollout`: moves traffic from one arm to another while the evidence holds. */
export function rolloutCommand(): Command {
  const command = new Command('rollout').description('move traffic from one arm to another, by evidence');
  const subcommands = [
    startCommand(),
    statusCommand(),
    watchCommand(),
    promoteCommand(),
    pauseCommand(),
    resumeCommand(),
    rollbackCommand(),
    reportCommand(),
    explainCommand(),
    historyCommand(),
    verifyCommand(),
    simulateCommand(),
  ];
  for (const subcommand of subcommands) command.addCommand(subcommand.exitOverride());
  return command.addHelpText('after', '\nExit statuses are in the help of each: bellwether rollout watch --help');
}
