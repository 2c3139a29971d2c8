import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cacheDirectory } from '../support/cache-directory';
import { CliWorkspace, type CliResult } from './run-cli';

/** No fixed ones: other tests run beside this. */
export const anyPorts = ['--port', '0', '--ui-port', '0', '--gateway-port', '0'];

const program = join(__dirname, '../../dist/cli/main.js');

/** `bellwether up` as a user runs it, in a directory of its own, which outlives it until `remove`. */
export class UpProcess {
  readonly workspace = new CliWorkspace();
  readonly dataDirectory = join(this.workspace.directory, 'data');
  #child: ChildProcess | undefined;
  #output = '';

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What it has said since it was started. */
  get output(): string {
    return this.#output;
  }

  /** Returns when everything is up. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [program, 'up', ...anyPorts], {
      cwd: this.workspace.directory,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.#environment() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#output = '';
    const note = (chunk: Buffer): void => void (this.#output += chunk.toString());
    child.stderr.on('data', note);
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        note(chunk);
        if (this.#output.includes('Ctrl-C stops everything')) resolve();
      });
      child.once('close', (code) => reject(new Error(`up ended (${code}): ${this.#output}`)));
    });
  }

  /** Ctrl-C. Returns its exit status. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill('SIGINT');
    await once(child, 'close');
    return child.exitCode;
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.workspace.remove();
  }

  /** Another command, in another terminal. */
  run(...args: string[]): Promise<CliResult> {
    return this.workspace.spawn(args, this.#environment());
  }

  #environment(): Record<string, string> {
    return { BELLWETHER_DATA_DIR: this.dataDirectory, BELLWETHER_CACHE_DIR: cacheDirectory };
  }
}
