import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const projectDirectory = join(__dirname, '../..');
const page = readFileSync(join(projectDirectory, 'docs/security.md'), 'utf8');

const section = page.slice(page.indexOf('## What is withstood'), page.indexOf('## What is not protected'));
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| attack') && !line.startsWith('| ---'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, attack = '', , tests = '']) => ({
    attack,
    tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  }));

test('the table of attacks can be read', () => {
  expect(rows.length).toBeGreaterThan(10);
});

test.each(rows)('$attack: its tests exist', ({ tests }) => {
  expect(tests).not.toHaveLength(0);
  const endings = ['', '.test.ts', '.long.test.ts'];
  const isThere = (name: string) => endings.some((end) => existsSync(join(projectDirectory, 'test', name + end)));
  expect(tests.filter((name) => !isThere(name))).toEqual([]);
});
