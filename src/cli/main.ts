#!/usr/bin/env node
import { Command } from 'commander';
import { commands } from './commands';
import { exitStatusHelp, tellError } from './exit-status';
import { readPackageInfo } from '../platform/package-info';

/** The program with the named command in full, and the others as lines in its help. */
async function createProgram(commandName: string | undefined): Promise<Command> {
  const program = new Command('bellwether')
    .description('Durable AI chat on Temporal: turns that survive crashes, budgets that hold, costs that add up.')
    .version(readPackageInfo().version)
    .addHelpText('after', `\n${exitStatusHelp}\nSettings are read from the environment, .env and bellwether.config.*;`)
    .addHelpText('after', '`bellwether doctor` checks them. LOG_LEVEL=debug shows where an error comes from.');
  for (const { name, summary, load } of commands) {
    if (name === commandName) program.addCommand(await load());
    else program.command(name).summary(summary);
  }
  for (const command of [program, ...program.commands]) command.exitOverride();
  return program;
}

async function main(): Promise<void> {
  // `bellwether costs | head` closes the pipe early: no reason to complain.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  try {
    // Options before the command are none but --help and --version; `help <command>` shows a command's own help.
    const named = process.argv.slice(2).find((argument) => !argument.startsWith('-') && argument !== 'help');
    const program = await createProgram(named);
    await program.parseAsync();
  } catch (error) {
    const { wantsDebugOutput } = await import('../config/environment');
    process.exitCode = tellError(error, (text) => process.stderr.write(text), wantsDebugOutput());
  }
}

void main();
