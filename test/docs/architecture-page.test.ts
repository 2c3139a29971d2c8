import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const projectDirectory = join(__dirname, '../..');
const page = readFileSync(join(projectDirectory, 'docs/architecture.md'), 'utf8');

const quoted = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

test('every path on the page exists', () => {
  const paths = [...new Set(page.match(/\bsrc\/[\w./-]*\w/g))];
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((path) => !existsSync(join(projectDirectory, path)))).toEqual([]);
});

const section = page.slice(page.indexOf('## Where the rules are'));
const rules = section
  .slice(0, section.indexOf('\n## ', 1))
  .split('\n')
  .filter((line) => line.includes('| `src/'))
  .map((line) => line.split('|'))
  .map(([, rule = '', file = '', names = '']) => ({
    rule: rule.trim(),
    file: quoted(file)[0] ?? '',
    names: quoted(names),
  }));

test('the table of rules can be read', () => {
  expect(rules.length).toBeGreaterThan(15);
});

test.each(rules)('$rule: $file declares what the table names', ({ file, names }) => {
  const source = readFileSync(join(projectDirectory, file), 'utf8');
  expect(names).not.toHaveLength(0);
  // `measure().advance` names a function and a field of its result.
  const isDeclared = (name: string) => {
    const [declared = '', field] = name.split('().');
    if (!new RegExp(`\\b(function|class|const) ${declared}\\b`).test(source)) return false;
    return field === undefined || new RegExp(`\\breadonly ${field}:`).test(source);
  };
  expect(names.filter((name) => !isDeclared(name))).toEqual([]);
});
