import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

const projectDirectory = join(__dirname, '..');
const sourceDirectory = join(projectDirectory, 'src');

/** Of each folder of src those that it may import, in the order of CONTRIBUTING's table; a row names only rows above it. */
const rows = readRows();
const folders = [...rows.keys()];

/** Not in the table's columns: workflows may know the activities' types. */
const byTypeOnly = 'workflows → activities';

function readRows(): ReadonlyMap<string, readonly string[]> {
  const table = readFileSync(join(projectDirectory, 'CONTRIBUTING.md'), 'utf8').matchAll(
    /^\| `src\/([\w-]+)` *\| ([^|]*) \|/gm,
  );
  const read = new Map<string, readonly string[]>();
  for (const [, folder = '', cell = ''] of table) {
    const above = [...read.keys()];
    const [, excluded] = /^everything above but (.*)$/.exec(cell.trim()) ?? [];
    const named = (excluded ?? cell.split(';')[0] ?? '').split(/, | and /).map((name) => name.trim());
    if (excluded !== undefined)
      read.set(
        folder,
        above.filter((name) => !named.includes(name)),
      );
    else
      read.set(
        folder,
        named.filter((name) => name !== 'nothing'),
      );
  }
  return read;
}

/** The statements, each in a file of its folder, that the project's linter refuses. */
function refused(probes: readonly (readonly [folder: string, statement: string])[]): ReadonlySet<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-boundaries-'));
  try {
    cpSync(join(projectDirectory, '.oxlintrc.json'), join(directory, '.oxlintrc.json'));
    for (const [index, [folder, statement]] of probes.entries()) {
      const path = join(directory, 'src', folder, `probe-${index}.ts`);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${statement}\n`);
    }
    const linter = join(projectDirectory, 'node_modules/.bin/oxlint');
    const { stdout } = spawnSync(linter, ['--format', 'json', 'src'], { cwd: directory, encoding: 'utf8' });
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: readonly { code: string; filename: string }[] };
    const found = new Set<string>();
    for (const { code, filename } of diagnostics) {
      const [folder, statement] = probes[Number(/probe-(\d+)/.exec(filename)?.[1])] ?? [];
      if (!code.includes('no-restricted-imports')) throw new Error(`The linter says of "${statement}": ${code}`);
      found.add(`${folder}: ${statement}`);
    }
    return found;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Every file of src with what it imports, in whatever form. */
function importsOfSource(): readonly {
  readonly file: string;
  readonly target: string;
  readonly isTypeOnly: boolean;
}[] {
  const files = readdirSync(sourceDirectory, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.tsx?$/.test(file),
  );
  return files.flatMap((file) => {
    const text = readFileSync(join(sourceDirectory, file), 'utf8');
    const pattern = /(?:^(?:import|export) (type )?[^;]*?from |import\(|require\.resolve\()'(\.[^']+)'/gm;
    return [...text.matchAll(pattern)].map(([, type, specifier = '']) => {
      const target = relative(sourceDirectory, join(sourceDirectory, dirname(file), specifier));
      return { file, target, isTypeOnly: type !== undefined };
    });
  });
}

test('the table has a row for every folder of src', () => {
  const directories = readdirSync(sourceDirectory, { withFileTypes: true }).map(({ name }) => name);
  expect(folders.toSorted()).toEqual(directories.toSorted());
});

test('every row names only rows above it', () => {
  for (const [index, folder] of folders.entries())
    expect(folders.slice(0, index)).toEqual(expect.arrayContaining([...(rows.get(folder) ?? [])]));
});

test('the linter allows exactly what the table allows', () => {
  const pairs = folders.flatMap((from) => folders.filter((to) => to !== from).map((to) => [from, to] as const));
  const found = refused(pairs.map(([from, to]) => [`${from}/part`, `export * from '../../${to}/probe';`]));
  const allowed = pairs.filter(([from, to]) => !found.has(`${from}/part: export * from '../../${to}/probe';`));
  const told = folders.flatMap((from) => (rows.get(from) ?? []).map((to) => [from, to] as const));
  expect(allowed.map(String).toSorted()).toEqual(told.map(String).toSorted());
});

test('the imports of src match the table, including dynamic imports', () => {
  const found = importsOfSource();
  expect(found.length).toBeGreaterThan(500);
  const strange = found.filter(({ file, target, isTypeOnly }) => {
    const [from = '', to = ''] = [file.split('/')[0], target.split('/')[0]];
    if (from === to || rows.get(from)?.includes(to) === true) return false;
    return !(isTypeOnly && `${from} → ${to}` === byTypeOnly);
  });
  expect(strange).toEqual([]);
});

test.each([
  ['contract', "export * from 'node:fs';"],
  ['domain/rollout', "export * from 'node:fs';"],
  ['domain', "export * from '@temporalio/common';"],
  ['workflows', "export { createActivities } from '../activities/create-activities';"],
  ['workflows', "export * from '@temporalio/client';"],
  ['gateway', "export * from '@temporalio/client';"],
  ['cli/rollout', "export * from '../../../bench/main';"],
])('src/%s may not import: %s', (folder, statement) => {
  expect(refused([[folder, statement]]).size).toBe(1);
});

test.each([
  ['workflows', "export type { Activities } from '../activities/create-activities';"],
  ['workflows', "export * from '@temporalio/workflow';"],
  ['domain', "export * from './rollout/clock';"],
])('src/%s may import: %s', (folder, statement) => {
  expect(refused([[folder, statement]]).size).toBe(0);
});
