import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';

/** Set by global-setup: the program, or why there is none. */
export const codexEnvironment = {
  program: 'BELLWETHER_TEST_CODEX',
  missing: 'BELLWETHER_TEST_CODEX_MISSING',
} as const;

/** The version that the tests were written for; a newer one is tried deliberately, not by chance. */
export const codexVersion = '0.171.0';

/** 130 MB to download, 420 MB on disk; a slow connection takes minutes, a stuck one is aborted. */
const installTimeoutMs = 5 * 60_000;

/**
 * Returns OpenAI's coding agent, from our cache. It is no dependency of the project, because its size would be a burden to
 * everybody who installs it.
 * @throws Error if npm cannot install it
 */
export async function bringCodex(report: Reporter): Promise<string> {
  const directory = join(cacheDirectory, `codex-${codexVersion}`);
  const program = join(directory, 'node_modules/.bin/codex');
  if (existsSync(program)) return program;
  mkdirSync(cacheDirectory, { recursive: true });
  const task = report.begin(`Installing codex ${codexVersion} for tests (once)`);
  const building = mkdtempSync(`${directory}-`);
  const flags = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', building];
  try {
    await promisify(execFile)('npm', ['install', ...flags, `@openai/codex@${codexVersion}`], {
      // npm would take the project, whose scripts run this, for the place to install to.
      cwd: building,
      timeout: installTimeoutMs,
    });
    // Renamed into place, so that it is complete as soon as it exists. Another process may have been faster.
    if (!existsSync(directory)) renameSync(building, directory);
    task.succeed('codex is ready.');
    return program;
  } catch (error) {
    task.fail('npm cannot install codex.');
    throw new Error(`npm cannot install @openai/codex@${codexVersion}`, { cause: error });
  }
}

/** Like `describe`, if there is codex; otherwise skipped with the reason, but in CI it fails. */
export function describeWithCodex(title: string, suite: () => void): void {
  const reason = process.env[codexEnvironment.missing];
  if (reason === undefined) {
    describe(title, suite);
  } else if (process.env['CI'] === 'true') {
    describe(title, () => {
      test('CI has codex to test with', () => expect(reason).toBeUndefined());
    });
  } else {
    describe.skip(`${title} (skipped: ${reason})`, suite);
  }
}
