import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface CommandOptions {
  /** The compiled `bellwether`. */
  readonly program: string;
  readonly words: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly workingDirectory: string;
  /** Aborts the command. */
  readonly signal: AbortSignal;
}

/** Runs a `bellwether` command as an operator would, on this terminal; returns its exit status. */
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
