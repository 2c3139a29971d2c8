import { Command } from 'commander';
import { readPackageInfo } from '../platform/package-info';
import { commands } from './commands';
import { exitStatusHelp, tellError } from './exit-status';

/** Runs one command line, given without the program's name. Sets `process.exitCode`. */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  try {
    // Only --help and --version may come before the command; `help <command>` shows that command's help.
    const named = args.find((argument) => !argument.startsWith('-') && argument !== 'help');
    const program = await createProgram(named);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    const { wantsDebugOutput } = await import('../config/environment');
    process.exitCode = tellError(error, (text) => process.stderr.write(text), wantsDebugOutput());
  }
}

/** The program with the named command loaded; the others are only lines in its help. */
async function createProgram(commandName: string | undefined): Promise<Command> {
  const program = new Command('bellwether')
    .description('Durable AI chat on Temporal: turns that survive crashes, budgets that hold, costs that add up.')
    .version(readPackageInfo().version)
    // What follows a command belongs to it: `costs reconcile --json` is not `costs --json`.
    .enablePositionalOptions()
    .addHelpText('after', `\n${exitStatusHelp}\nSettings are read from the environment, .env and bellwether.config.*;`)
    .addHelpText('after', '`bellwether doctor` checks them. LOG_LEVEL=debug shows where an error comes from.');
  for (const { name, summary, load } of commands) {
    if (name === commandName) program.addCommand(await load());
    else program.command(name).summary(summary);
  }
  for (const command of [program, ...program.commands]) command.exitOverride();
  return program;
}
