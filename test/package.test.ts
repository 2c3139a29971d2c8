import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EmptyProject, moduleKinds, pack, type Pack, projectDirectory } from './support/packed-project';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly main: string;
  readonly types: string;
  readonly bin: { readonly bellwether: string };
}

const manifest = JSON.parse(readFileSync(join(projectDirectory, 'package.json'), 'utf8')) as Manifest;
let project: EmptyProject;
let packed: Pack;
let paths: readonly string[];

/** As `npm install` would lay it out, without the registry: the package from its tarball, its dependencies from here. */
beforeAll(() => {
  project = new EmptyProject();
  packed = pack(project.directory);
  paths = packed.files.map(({ path }) => path);
  const modules = join(project.directory, 'node_modules');
  const installed = join(modules, 'bellwether');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', packed.tarball, '-C', installed, '--strip-components=1']);
  // `@types/node` comes with the dependencies that need it.
  const { dependencies, optionalDependencies } = manifest;
  for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), '@types/node']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(projectDirectory, 'node_modules', name), join(modules, name), 'dir');
  }
});
afterAll(() => project.remove());

test('the tarball contains what is built and what users read, and no benchmark, test or source', () => {
  const top = [...new Set(paths.map((path) => path.split('/')[0]))].toSorted();
  expect(top).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'bellwether.schema.json', 'dist', 'package.json']);
  const sources = readdirSync(join(projectDirectory, 'src')).toSorted();
  const inDist = paths.filter((path) => path.startsWith('dist/')).map((path) => path.split('/')[1]);
  expect([...new Set(inDist)].toSorted()).toEqual([...sources, 'workflow-bundle.js'].toSorted());
  expect(paths.filter((path) => /(?<!\.d)\.ts$|\.test\./.test(path))).toEqual([]);
  expect(paths).toEqual(expect.arrayContaining([manifest.main, manifest.types, manifest.bin.bellwether]));
});

test.each(moduleKinds)('a strict TypeScript service with %s modules compiles against it and runs', (kind) => {
  expect(project.compile(kind)).toEqual([]);
  expect(project.run(kind)).toBe('refused, as it should be');
});

test('its command runs', () => {
  const command = join(project.directory, 'node_modules/bellwether', manifest.bin.bellwether);
  expect(execFileSync(process.execPath, [command, '--help'], { encoding: 'utf8' })).toContain('rollout');
});
