import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const script = join(__dirname, '../scripts/release.mjs');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bellwether-release-'));
  write('package.json', JSON.stringify({ name: 'bellwether', version: '1.2.3', scripts: { build: 'exit 1' } }));
  write('CHANGELOG.md', '# Changelog\n\n## [1.2.3] - 2026-01-01\n');
  git('init', '--quiet');
  commit();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(file: string, text: string): void {
  writeFileSync(join(directory, file), text);
}

function git(...args: readonly string[]): void {
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
  execFileSync('git', [...who, ...args], { cwd: directory, stdio: 'ignore' });
}

function commit(): void {
  git('add', '--all');
  git('commit', '--quiet', '--message', 'test');
}

function release() {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--dry-run'], {
    cwd: directory,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('a dirty tree is refused', () => {
  write('new.txt', '');
  expect(release()).toEqual({ status: 1, stdout: '', stderr: expect.stringContaining('working tree has changes') });
});

test('a tagged version is refused', () => {
  git('tag', 'v1.2.3');
  expect(release()).toEqual({ status: 1, stdout: '', stderr: expect.stringContaining('v1.2.3 is already tagged') });
});

test('a version without an entry in the changelog is refused', () => {
  write('CHANGELOG.md', '# Changelog\n\n## [Unreleased]\n');
  commit();
  expect(release()).toEqual({ status: 1, stdout: '', stderr: expect.stringContaining('has no entry "## [1.2.3]') });
});

test('a failing step is named, and nothing is packed or tagged', () => {
  expect(release()).toMatchObject({ status: 1, stderr: expect.stringContaining('"Build" failed') });
  const tags = execFileSync('git', ['tag'], { cwd: directory, encoding: 'utf8' });
  expect(tags).toBe('');
});
