import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ReportedTask } from '../terminal/reporter';
import { pinnedVersion } from './temporal-version';

/** What Go is asked to build. */
export const goPackage = `github.com/temporalio/cli/cmd/temporal@v${pinnedVersion.cli}`;

/** About 3 minutes on two cores; this leaves room for a slow machine on a slow line. */
const buildTimeoutMs = 30 * 60_000;
/** Go ends with the reason. */
const keptLines = 5;

/**
 * Builds the pinned CLI into `directory` with the Go at `goProgram`, which fetches and checks its modules itself.
 * @returns the program's path
 * @throws Error with the last lines that Go said
 */
export async function goInstallTemporal(options: {
  readonly goProgram: string;
  readonly directory: string;
  readonly task: ReportedTask;
  readonly signal: AbortSignal | undefined;
}): Promise<string> {
  const { goProgram, directory, task, signal } = options;
  const child = spawn(goProgram, ['install', '-v', goPackage], {
    cwd: directory,
    // Otherwise the user's own environment, as if they had typed it: proxies and Go's own settings count.
    env: { ...process.env, GOBIN: directory },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: buildTimeoutMs,
    signal,
  });
  const lastLines: string[] = [];
  const counts = { modules: 0, packages: 0 };
  createInterface(child.stderr).on('line', (line) => {
    lastLines.push(line);
    if (lastLines.length > keptLines) lastLines.shift();
    task.progress(describeLine(line, counts));
  });
  const [code, endedBy] = await once(child, 'close');
  if (code !== 0) throw new Error(`Go ended with ${endedBy ?? `status ${code}`}: ${lastLines.join(' / ')}`);
  return join(directory, 'temporal');
}

/** Go names each module that it downloads, then each package that it compiles. */
function describeLine(line: string, counts: { modules: number; packages: number }): string {
  const download = /^go: downloading (?<module>\S+)/.exec(line);
  if (download !== null) return `downloading module ${++counts.modules}, ${download.groups?.['module']}`;
  return line.startsWith('go: ') ? line : `compiling package ${++counts.packages}, ${line}`;
}
