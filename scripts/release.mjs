/**
 * `npm run release -- --dry-run`: checks whether this commit can be released, and leaves only the tarball. Without
 * `--dry-run` it also tags the commit. It does not publish, but prints the commands for that.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } });
const { name, version } = JSON.parse(readFileSync('package.json', 'utf8'));
const tag = `v${version}`;
const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();

function refuse(problem) {
  console.error(`Not released: ${problem}`);
  process.exit(1);
}

function run(what, command, ...args) {
  console.log(`\n${what}: ${[command, ...args].join(' ')}`);
  try {
    execFileSync(command, args, { stdio: 'inherit' });
  } catch {
    refuse(`"${what}" failed; its output is above.`);
  }
}

if (git('status', '--porcelain') !== '') refuse('the working tree has changes. Commit or stash them.');
if (git('tag', '--list', tag) !== '') refuse(`${tag} is already tagged. Raise the version in package.json.`);
if (!readFileSync('CHANGELOG.md', 'utf8').includes(`\n## [${version}] - `)) {
  refuse(
    `CHANGELOG.md has no entry "## [${version}] - YYYY-MM-DD". Move the entries under Unreleased to that heading.`,
  );
}

run('Build', 'npm', 'run', 'build');
run('Check', 'npm', 'run', 'check');
run('Replay kept histories', 'npx', 'jest', 'test/replay');
run('Test', 'npx', 'jest');
if (git('status', '--porcelain') !== '') refuse('the build or the tests changed files of the repository.');
run('Pack', 'npm', 'pack', '--ignore-scripts');

const publish = `npm publish ${name}-${version}.tgz`;
if (values['dry-run']) {
  console.log(`\n${tag} can be released. npm run release tags it; then: git push origin ${tag} && ${publish}`);
} else {
  run('Tag', 'git', 'tag', '--annotate', tag, '--message', `${name} ${version}`);
  console.log(`\nTagged ${tag}. To publish: git push origin ${tag} && ${publish}`);
}
