import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { EmptyProject, moduleKinds, pack } from './support/packed-project';

let project: EmptyProject;
beforeAll(() => {
  project = new EmptyProject();
  const { tarball } = pack(project.directory);
  // What a service needs that has its ledger elsewhere: no SQLite, and nothing that is compiled.
  const flags = ['--omit=optional', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...flags, tarball], {
    cwd: project.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 540_000,
  });
}, 600_000);
afterAll(() => project.remove());

test.each(moduleKinds)('a service that installs the tarball compiles and runs with %s modules', (kind) => {
  expect(project.compile(kind)).toEqual([]);
  expect(project.run(kind)).toBe('refused, as it should be');
});

test('the command is installed', () => {
  const command = join(project.directory, 'node_modules/.bin/bellwether');
  expect(execFileSync(command, ['--help'], { encoding: 'utf8' })).toContain('rollout');
});
