import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { SimulatedCall } from './call-log';
import type { ControlCommand } from './control-server';
import type { Simulator, SimulatorOptions } from './simulator';

export interface SimulatorProcessOptions extends SimulatorOptions {
  /** The compiled `main.js`. Default: the one next to this file. */
  readonly script?: string;
}

/** The line that `main` prints once it is listening. */
export interface SimulatorAddresses {
  readonly baseUrl: string;
  readonly controlUrl: string;
}

export type SimulatorProcess = Simulator & {
  readonly pid: number;
  /** Resolves when the process is gone, for whatever reason. */
  readonly exited: Promise<unknown>;
};

/**
 * Starts a simulator in its own process, so that it survives a killed worker and its CPU time is counted separately. It ends
 * on `close()` and when this process ends.
 */
export async function startSimulatorProcess(options: SimulatorProcessOptions): Promise<SimulatorProcess> {
  const { script = join(__dirname, 'main.js'), ...simulatorOptions } = options;
  const child = spawn(process.execPath, [script, '--exit-with-stdin', '--options', JSON.stringify(simulatorOptions)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const addresses = await firstLine(child);
  const exited = once(child, 'exit');
  return {
    ...connectSimulator(addresses),
    pid: child.pid ?? 0,
    exited,
    close: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Controls a simulator in another process; `close` leaves it running. */
export function connectSimulator({ baseUrl, controlUrl }: SimulatorAddresses): Simulator {
  async function send<Result = void>(command: ControlCommand): Promise<Result> {
    const response = await fetch(controlUrl, { method: 'POST', body: JSON.stringify(command) });
    const body = (await response.json()) as { result: Result; error?: { message: string } };
    if (body.error) throw new Error(`The simulator refused ${command.command}: ${body.error.message}`);
    return body.result;
  }
  return {
    baseUrl,
    setBehaviour: (model, changes) => send({ command: 'setBehaviour', model, changes }),
    queueFaults: (model, faults) => send({ command: 'queueFaults', model, faults }),
    setApiKeys: (apiKeys) => send({ command: 'setApiKeys', apiKeys }),
    calls: () => send<readonly SimulatedCall[]>({ command: 'calls' }),
    clearCalls: () => send({ command: 'clearCalls' }),
    goDown: () => send({ command: 'goDown' }),
    comeUp: () => send({ command: 'comeUp' }),
    openConnections: () => send<number>({ command: 'openConnections' }),
    openCalls: () => send<number>({ command: 'openCalls' }),
    close: async () => undefined,
  };
}

function firstLine(child: ChildProcess): Promise<SimulatorAddresses> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const [line, rest] = output.split('\n');
      if (line !== undefined && rest !== undefined) resolve(JSON.parse(line) as SimulatorAddresses);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      reject(
        new Error(
          `The simulator exited before it was listening (${signal ?? `status ${code}`}). See its messages on stderr.`,
        ),
      );
    });
  });
}
