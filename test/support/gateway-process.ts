import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Service } from './service';

/** The built `bellwether gateway` in its own process, so that it can be killed. */
export interface GatewayProcess {
  readonly pid: number;
  readonly url: string;
  readonly output: () => string;
  /** SIGKILL: its clients hear nothing more. */
  kill(): Promise<void>;
  /** SIGTERM: it finishes its running requests. Resolves with the exit status. */
  stop(): Promise<number | null>;
}

/** Resolves once it is listening. */
export async function spawnGateway(service: Pick<Service, 'environment' | 'directory'>): Promise<GatewayProcess> {
  const program = join(__dirname, '../../dist/cli/main.js');
  const child = spawn(process.execPath, [program, 'gateway', '--port', '0', '--json'], {
    cwd: service.directory,
    env: { PATH: process.env['PATH'], ...service.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [said, logged] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (logged += chunk.toString()));
  const ended = once(child, 'close');
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const [, found] = /"url": ?"([^"]+)"/.exec(said) ?? [];
      if (found !== undefined) resolve(found);
    });
    child.once('close', (code) => reject(new Error(`The gateway ended (${code}) before it listened: ${logged}`)));
  });
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal);
    await ended;
    return child.exitCode;
  };
  return {
    pid: child.pid ?? 0,
    url,
    output: () => said + logged,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}
