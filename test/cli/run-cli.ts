import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(__dirname, '../../dist/cli/main.js');

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `bellwether` as a user runs it: the built program, in a working directory and environment of its own. */
export class CliWorkspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'bellwether-cli-'));

  run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    if (!existsSync(program)) throw new Error('There is no built program: run `npm run build` first.');
    // Nothing of the tester's own settings: the home directory may hold a temporal.toml.
    const env = { PATH: process.env['PATH'], HOME: this.directory, ...environment };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [program, ...args], { cwd: this.directory, env }, (_, stdout, stderr) =>
        resolve({ status: child.exitCode, stdout, stderr }),
      );
    });
  }

  /** Of a command that is expected to succeed with `--json`. */
  async json(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const { status, stdout, stderr } = await this.run([...args, '--json'], environment);
    if (status !== 0) throw new Error(`bellwether ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as unknown;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
