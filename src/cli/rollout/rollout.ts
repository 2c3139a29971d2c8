import { Command } from 'commander';
import { adoptCommand, backCommand } from './emergency';
import { explainCommand } from './explain';
import { historyCommand } from './history';
import { excludeCommand, pauseCommand, promoteCommand, resumeCommand, rollbackCommand } from './operate';
import { replayCommand } from './replay';
import { reportCommand } from './report';
import { simulateCommand } from './simulate';
import { startCommand } from './start';
import { statusCommand } from './status';
import { verifyCommand } from './verify';
import { watchCommand } from './watch';

/** `bellwether rollout`: moves traffic from one arm to another while the evidence supports it. */
export function rolloutCommand(): Command {
  const command = new Command('rollout').description('move traffic from one arm to another, based on evidence');
  const subcommands = [
    startCommand(),
    statusCommand(),
    watchCommand(),
    promoteCommand(),
    pauseCommand(),
    resumeCommand(),
    rollbackCommand(),
    excludeCommand(),
    backCommand(),
    adoptCommand(),
    reportCommand(),
    explainCommand(),
    historyCommand(),
    verifyCommand(),
    replayCommand(),
    simulateCommand(),
  ];
  for (const subcommand of subcommands) command.addCommand(subcommand.exitOverride());
  return command.addHelpText(
    'after',
    '\nThe help of each command lists its exit statuses: bellwether rollout watch --help',
  );
}
