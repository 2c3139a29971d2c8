import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EmptyProject, moduleKinds, pack } from './support/packed-project';

/** With Node's headers of this machine, where they are, a driver that has to be compiled needs no download of them. */
function npmEnvironment(): NodeJS.ProcessEnv {
  const nodeDirectory = dirname(dirname(process.execPath));
  const hasHeaders = existsSync(join(nodeDirectory, 'include/node/node.h'));
  return { ...process.env, ...(hasHeaders && { npm_config_nodedir: nodeDirectory }) };
}

let project: EmptyProject;
beforeAll(() => {
  project = new EmptyProject();
  const { tarball } = pack(project.directory);
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball];
  execFileSync('npm', args, {
    cwd: project.directory,
    env: npmEnvironment(),
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
