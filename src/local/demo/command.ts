import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface CommandOptions {
  /** The compiled `bellwether`. */
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
  /** Ends the command. */
  readonly signal: AbortSignal;
}

/** Runs a `bellwether` command as an operator would, on this terminal; returns what it ended with. */
export async function runCommand(options: CommandOptions): Promise<number> {
  const { program, words, environment, workingDirectory, signal } = options;
  const child = spawn(process.execPath, [program, ...words], {
    cwd: workingDirectory,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
    signal,
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
