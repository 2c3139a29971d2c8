import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Service } from './service';

/** The built `bellwether worker` with metrics at a free port, in its own process. */
export interface MetricsWorker {
  readonly metricsUrl: string;
  /** SIGTERM. Resolves with the exit status. */
  stop(): Promise<number | null>;
}

/** Resolves once it polls. */
export async function spawnMetricsWorker(
  service: Pick<Service, 'environment' | 'directory'>,
  options: readonly string[] = ['--metrics-port', '0'],
): Promise<MetricsWorker> {
  const program = join(__dirname, '../../dist/cli/main.js');
  const child = spawn(process.execPath, [program, 'worker', ...options], {
    cwd: service.directory,
    env: { PATH: process.env['PATH'], ...service.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close');
  let logged = '';
  const metricsUrl = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      logged += chunk;
      const [, url] = /"url":"([^"]+)"/.exec(logged) ?? [];
      if (url !== undefined && logged.includes('"worker started"')) resolve(url);
    });
    child.once('close', (code) => reject(new Error(`The worker ended (${code}) before it polled: ${logged}`)));
  });
  return {
    metricsUrl,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      return child.exitCode;
    },
  };
}
