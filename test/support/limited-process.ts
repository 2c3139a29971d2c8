import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { z } from 'zod';
import { type ComposeService, readCompose } from '../../deploy/compose-file';
import { limitMemory } from './memory-limit';
import type { Service } from './service';

const root = join(__dirname, '../..');

export interface LimitedProcess {
  readonly name: string;
  readonly limitBytes: number;
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly isLimited: boolean;
  stop(): Promise<number | null>;
}

const resources = z.object({ resources: z.object({ limits: z.object({ memory: z.string().regex(/^\d+[mg]$/) }) }) });

function memoryLimitOf(composed: ComposeService | undefined): number {
  const { memory } = resources.parse(composed?.deploy).resources.limits;
  return Number.parseInt(memory, 10) * (memory.endsWith('g') ? 1024 : 1) * 1024 * 1024;
}

/** A built program with the memory and the heap that docker-compose.yml gives its service. */
export function startLimited(name: 'worker' | 'gateway', service: Service, args: readonly string[]): LimitedProcess {
  const composed = readCompose(root).services[name];
  const limitBytes = memoryLimitOf(composed);
  const limit = limitMemory(limitBytes);
  const program = [join(root, 'dist/cli/main.js'), name, ...args];
  const [command, commandArgs] = limit?.command(process.execPath, program) ?? [process.execPath, program];
  const child = spawn(command, commandArgs, {
    cwd: service.directory,
    env: {
      PATH: process.env['PATH'],
      ...(composed?.environment['NODE_OPTIONS'] !== undefined && {
        NODE_OPTIONS: composed.environment['NODE_OPTIONS'],
      }),
      ...service.environment,
      LOG_LEVEL: 'INFO',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const ended = once(child, 'close');
  const keepEnd = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-100_000);
  };
  child.stdout.on('data', keepEnd);
  child.stderr.on('data', keepEnd);
  return {
    name,
    limitBytes,
    child,
    said: () => said,
    isLimited: limit !== null,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      limit?.remove();
      return child.exitCode;
    },
  };
}
