import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const projectDirectory = join(__dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'bellwether-boundaries-'));

beforeAll(() => cpSync(join(projectDirectory, '.oxlintrc.json'), join(directory, '.oxlintrc.json')));
afterAll(() => rmSync(directory, { recursive: true }));

/** Whether the project's linter lets a file in that place import this. */
function mayImport(file: string, statement: string): boolean {
  const path = join(directory, 'src', file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${statement}\n`);
  const linter = join(projectDirectory, 'node_modules/.bin/oxlint');
  const { status, stdout } = spawnSync(linter, [path], { cwd: directory, encoding: 'utf8' });
  rmSync(path);
  if (status !== 0 && !stdout.includes('no-restricted-imports')) throw new Error(`The linter says: ${stdout}`);
  return status === 0;
}

test.each([
  ['contract/probe.ts', "export * from '../domain/message';"],
  ['contract/probe.ts', "export * from 'node:fs';"],
  ['domain/probe.ts', "export * from '../ledger/open-ledger';"],
  ['domain/rollout/probe.ts', "export * from '../../ledger/open-ledger';"],
  ['workflows/probe.ts', "export * from '../ledger/open-ledger';"],
  ['workflows/probe.ts', "export * from '../worker';"],
  ['workflows/probe.ts', "export { createActivities } from '../activities/create-activities';"],
  ['streams/probe.ts', "export * from '../ledger/open-ledger';"],
  ['gateway/probe.ts', "export * from '../workflows/run-turn';"],
  ['gateway/probe.ts', "export * from '../activities/create-activities';"],
  ['gateway/probe.ts', "export * from '../streams/open-streams';"],
  ['gateway/probe.ts', "export * from '@temporalio/client';"],
])('src/%s may not: %s', (file, statement) => {
  expect(mayImport(file, statement)).toBe(false);
});

test.each([
  ['domain/probe.ts', "export * from '../contract/chat';"],
  ['domain/rollout/probe.ts', "export * from '../../contract/rollout';"],
  ['workflows/probe.ts', "export * from '../domain/rollout/spec';"],
  ['workflows/probe.ts', "export type { Activities } from '../activities/create-activities';"],
  ['streams/probe.ts', "export * from '../contract/stream';"],
  ['gateway/probe.ts', "export * from '../contract/stream';"],
])('src/%s may: %s', (file, statement) => {
  expect(mayImport(file, statement)).toBe(true);
});
