import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliResult, type CliSetting, runInProcess } from '../support/in-process-cli';

export type { CliResult };

type Variables = Readonly<Record<string, string>>;

const program = join(__dirname, '../../dist/cli/main.js');

/** `bellwether` in a working directory and environment of its own. */
export class CliWorkspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'bellwether-cli-'));

  /** In this process, for all but the command's first test. */
  run(args: readonly string[], environment: Variables = {}): Promise<CliResult> {
    return runInProcess(args, this.#setting(environment));
  }

  /** As a user runs it: the built program. */
  spawn(args: readonly string[], environment: Variables = {}): Promise<CliResult> {
    if (!existsSync(program)) throw new Error('There is no built program: run `npm run build` first.');
    const { directory: cwd, env } = this.#setting(environment);
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [program, ...args], { cwd, env }, (_, stdout, stderr) =>
        resolve({ status: child.exitCode, stdout, stderr }),
      );
    });
  }

  /** Of a command that is expected to succeed with `--json`. */
  async json(args: readonly string[], environment: Variables = {}): Promise<unknown> {
    const { status, stdout, stderr } = await this.run([...args, '--json'], environment);
    if (status !== 0) throw new Error(`bellwether ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as unknown;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Nothing of the tester's own settings: the home directory may hold a temporal.toml. */
  #setting(environment: Variables): CliSetting {
    return { directory: this.directory, env: { PATH: process.env['PATH'], HOME: this.directory, ...environment } };
  }
}
