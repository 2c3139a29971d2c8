import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** PostgreSQL writes a checkpoint, a worker finishes its calls; the proof's calls take milliseconds. */
const stopTimeoutMs = 20_000;
const shownLogLines = 30;

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  /** Another user to run as; only root can. */
  readonly userId?: number | undefined;
}

export interface CommandResult {
  readonly status: number;
  readonly output: string;
}

interface Started {
  readonly name: string;
  readonly child: ChildProcess;
  readonly logFile: string;
  startError: Error | undefined;
}

/** The processes of one proof: each has a log file, and all that were started are ended, the last one first. */
export class Processes {
  private readonly started: Started[] = [];

  constructor(private readonly directory: string) {
    // The last resort, for errors that nobody foresaw.
    process.once('exit', () => {
      for (const { child } of this.started) child.kill('SIGKILL');
    });
  }

  /** Starts a process that stays. */
  start(name: string, command: readonly string[], options: CommandOptions = {}): void {
    const logFile = join(this.directory, `${name}.log`);
    const log = openSync(logFile, 'a');
    const child = spawnCommand(command, { ...spawnOptions(options), stdio: ['ignore', log, log] });
    closeSync(log);
    const one: Started = { name, child, logFile, startError: undefined };
    child.once('error', (error) => {
      one.startError = error;
    });
    this.started.push(one);
  }

  /** What a started process wrote, from the first byte. */
  log(name: string): string {
    return readFileSync(join(this.directory, `${name}.log`), 'utf8');
  }

  /** Throws with the end of its log when a process that should stay has ended. */
  checkAlive(): void {
    for (const { name, child, startError } of this.started) {
      if (startError !== undefined) throw startError;
      if (child.exitCode === null && child.signalCode === null) continue;
      const lines = this.log(name).trimEnd().split('\n').slice(-shownLogLines);
      throw new Error(`${name} has ended (${child.signalCode ?? `status ${child.exitCode}`}):\n${lines.join('\n')}`);
    }
  }

  /** Ends one process and returns its exit status; null when it had to be killed. */
  async stop(name: string): Promise<number | null> {
    const index = this.started.findLastIndex((one) => one.name === name);
    const [found] = this.started.splice(index, 1);
    if (found === undefined) throw new Error(`${name} was not started`);
    return stopChild(found.child);
  }

  async stopAll(): Promise<void> {
    for (const { child } of this.started.splice(0).toReversed()) await stopChild(child);
  }
}

async function stopChild(child: ChildProcess): Promise<number | null> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await ended;
  clearTimeout(timer);
  return child.exitCode;
}

function spawnOptions({ environment, workingDirectory, userId }: CommandOptions): SpawnOptions {
  return {
    cwd: workingDirectory,
    // A container has no more than what its file gives it; PATH and HOME are what an image would have.
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...environment },
    ...(userId === undefined ? {} : { uid: userId, gid: userId }),
  };
}

function spawnCommand([program = '', ...args]: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(program, args, options);
}

/** Runs a command to its end. Throws only when it cannot be started. */
export async function run(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const child = spawnCommand(command, { ...spawnOptions(options), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { status: code ?? -1, output: signal === null ? output : `${output}\nended by ${signal}` };
}

/** Runs a command to its end and returns what it wrote. Throws with its output when it fails. */
export async function runOrThrow(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { status, output } = await run(command, options);
  if (status !== 0) throw new Error(`\`${command.join(' ')}\` ended with status ${status}:\n${output.trimEnd()}`);
  return output;
}
