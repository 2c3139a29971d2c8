import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const program = join(__dirname, '..', '..', 'cli', 'main.js');

/** Runs a `bellwether rollout` command as an operator would, on this terminal; returns what it ended with. */
export async function runCommand(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
  workingDirectory: string,
): Promise<number> {
  const child = spawn(process.execPath, [program, 'rollout', ...words], {
    cwd: workingDirectory,
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
