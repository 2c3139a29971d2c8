import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { unique } from './temporal';

/** A real limit of memory, as a container has it: who needs more is killed. */
export interface MemoryLimit {
  /** Runs a command under the limit. */
  readonly command: (program: string, args: readonly string[]) => readonly [string, string[]];
  /** After its processes have ended. */
  remove(): void;
}

/** Version 1 and version 2 of control groups name the same things differently. */
const hierarchies = [
  { root: '/sys/fs/cgroup/memory', known: 'memory.limit_in_bytes', limit: 'memory.limit_in_bytes' },
  { root: '/sys/fs/cgroup', known: 'memory.max', limit: 'memory.max' },
] as const;

/** Null where this process may make no control group; then only the peaks can be looked at. */
export function limitMemory(bytes: number): MemoryLimit | null {
  for (const { root, known, limit } of hierarchies) {
    const group = `${root}/${unique('bellwether-test')}`;
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    try {
      if (!existsSync(`${group}/${known}`)) throw new Error('it limits no memory');
      writeFileSync(`${group}/${limit}`, String(bytes));
    } catch {
      rmdirSync(group);
      continue;
    }
    return {
      command: (program, args) => [
        '/bin/sh',
        ['-c', 'echo $$ > "$0" && exec "$@"', `${group}/cgroup.procs`, program, ...args],
      ],
      remove: () => rmdirSync(group),
    };
  }
  return null;
}

/** The most memory that a running process has had, in bytes: of its own, without files that it maps. */
export function peakMemoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`Process ${pid} does not say how much memory it had.`);
  return Number(kilobytes) * 1024;
}
