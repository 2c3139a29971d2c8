import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { lockFile } from '../../src/temporal-server/file-lock';
import type { Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';

/**
 * Packages that are installed together, because they agree on their dependencies. These are the versions that the tests were
 * written for; newer ones are tried deliberately, not by chance.
 */
export const pythonSets = {
  clients: ['openai==3.57.0', 'openai-agents==0.24.0', 'pydantic-ai-slim[openai]==2.68.0', 'langchain-openai==1.7.4'],
  // It wants an older version of OpenAI's client.
  'llama-index': ['llama-index-llms-openai==0.8.3'],
  conformance: ['llm-comply==0.5.0'],
} as const;

export type PythonSet = keyof typeof pythonSets;

/** The largest set has about 280 MB; a slow connection takes minutes, a stuck one is aborted. */
const installTimeoutMs = 5 * 60_000;

const run = promisify(execFile);

/**
 * Returns a directory with the packages of a set, for PYTHONPATH. It is in our cache and filled once for each version
 * of Python; nothing is installed into the machine's Python.
 * @throws Error if there is no `python3` or no pip for it, or the packages are unavailable
 */
export async function bringPythonPackages(set: PythonSet, report: Reporter): Promise<string> {
  const versions = createHash('sha256').update(pythonSets[set].join()).digest('hex').slice(0, 12);
  const directory = join(cacheDirectory, `python-${set}-${versions}-for-${await pythonVersion()}`);
  if (existsSync(directory)) return directory;
  mkdirSync(cacheDirectory, { recursive: true });
  const lock = await lockFile(join(cacheDirectory, `python-${set}.lock`), () =>
    report.note(`Another process is installing the Python packages of the set "${set}".`),
  );
  try {
    if (!existsSync(directory)) await install(set, directory, report);
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

async function install(set: PythonSet, directory: string, report: Reporter): Promise<void> {
  const packages = pythonSets[set];
  const task = report.begin(`Installing Python packages for tests (once): ${packages.join(', ')}`);
  const building = mkdtempSync(`${directory}-`);
  try {
    const python = await pythonWithPip(join(building, 'environment'));
    const target = join(building, 'packages');
    const limits = ['--disable-pip-version-check', '--no-input', '--timeout', '30', '--only-binary', ':all:'];
    await run(python, ['-m', 'pip', 'install', ...limits, '--target', target, ...packages], {
      timeout: installTimeoutMs,
    });
    // Renamed into place, so that the directory is complete as soon as it exists.
    renameSync(target, directory);
    task.succeed(`The Python packages of the set "${set}" are ready.`);
  } catch (error) {
    const reason = lastLineOf(error);
    task.fail(`pip: ${reason}`);
    throw new Error(`pip cannot install ${packages.join(', ')}: ${reason}`, { cause: error });
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
