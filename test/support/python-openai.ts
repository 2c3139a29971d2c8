import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lockFile } from '../../src/temporal-server/file-lock';
import type { Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';

/** The version that the tests were written for; a newer one is tried deliberately, not by chance. */
const openaiVersion = '3.57.0';

/** About ten packages, 30 MB; a slow connection takes minutes, a stuck one is aborted. */
const installTimeoutMs = 5 * 60_000;

const run = promisify(execFile);

/**
 * Returns a directory with OpenAI's Python client, for PYTHONPATH. It is in our cache and filled once for each version
 * of Python; nothing is installed into the machine's Python.
 * @throws Error if there is no `python3` or no pip for it, or the packages are unavailable
 */
export async function bringPythonOpenai(report: Reporter): Promise<string> {
  const directory = join(cacheDirectory, `python-openai-${openaiVersion}-for-${await pythonVersion()}`);
  if (existsSync(directory)) return directory;
  mkdirSync(cacheDirectory, { recursive: true });
  const lock = await lockFile(join(cacheDirectory, 'python-openai.lock'), () =>
    report.note("Another process is installing OpenAI's Python client."),
  );
  try {
    if (!existsSync(directory)) await install(directory, report);
  } finally {
    lock.release();
  }
  return directory;
}

async function pythonVersion(): Promise<string> {
  const { stdout } = await run('python3', ['-c', 'import platform; print(platform.python_version())']).catch(
    (error: unknown) => {
      throw new Error('python3 is not on PATH', { cause: error });
    },
  );
  return stdout.trim();
}

async function install(directory: string, report: Reporter): Promise<void> {
  const task = report.begin(`Installing OpenAI's Python client ${openaiVersion} (once)`);
  const building = mkdtempSync(`${directory}-`);
  try {
    const python = await pythonWithPip(join(building, 'environment'));
    const target = join(building, 'packages');
    const limits = ['--disable-pip-version-check', '--no-input', '--timeout', '30', '--only-binary', ':all:'];
    await run(python, ['-m', 'pip', 'install', ...limits, '--target', target, `openai==${openaiVersion}`], {
      timeout: installTimeoutMs,
    });
    // Renamed into place, so that the directory is complete as soon as it exists.
    renameSync(target, directory);
    task.succeed("OpenAI's Python client is ready.");
  } catch (error) {
    const reason = lastLineOf(error);
    task.fail(`pip: ${reason}`);
    throw new Error(`pip cannot install openai==${openaiVersion}: ${reason}`, { cause: error });
  } finally {
    await rm(building, { recursive: true });
  }
}

/** A virtual environment's Python or the machine's: Debian has one without `venv`, others have one without pip. */
async function pythonWithPip(environment: string): Promise<string> {
  try {
    await run('python3', ['-m', 'venv', environment], { timeout: installTimeoutMs });
    return join(environment, 'bin', 'python');
  } catch {
    return 'python3';
  }
}

function lastLineOf(error: unknown): string {
  const { stderr } = error as { stderr?: unknown };
  const lines = typeof stderr === 'string' ? stderr.trimEnd().split('\n') : [];
  return lines.at(-1) || String(error);
}
