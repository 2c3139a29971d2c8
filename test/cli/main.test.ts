import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commands } from '../../src/cli/commands';
import { tellError, UsageError } from '../../src/cli/exit-status';
import { InvalidInputError } from '../../src/client/errors';
import { CliWorkspace } from './run-cli';

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

describe('bellwether', () => {
  it('lists every command and explains the exit statuses', async () => {
    const { status, stdout } = await workspace.spawn(['--help']);
    expect(status).toBe(0);
    for (const { name, summary } of commands) expect(stdout).toMatch(new RegExp(`${name} .*${summary}`));
    expect(stdout).toContain('Exit status: 0 done, 1 failed, 2 wrong usage or configuration.');
  });

  it.each(commands.map(({ name }) => name))('says what %s is for', async (name) => {
    const { status, stdout } = await workspace.spawn([name, '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: bellwether ${name}`);
  });

  it('shows a command’s own help through `help`', async () => {
    const { status, stdout } = await workspace.run(['help', 'compare']);
    expect(status).toBe(0);
    expect(stdout).toContain('--cjk-share');
  });

  it.each([
    ['an unknown command', ['cost'], /unknown command 'cost'\s+\(Did you mean costs\?\)/],
    ['an unknown option', ['costs', '--per', 'day'], /unknown option '--per'/],
    ['an option’s wrong value', ['costs', '--by', 'week'], /Give 1 to 3 different ones of day, month/],
    ['no command at all', [], /Usage: bellwether/],
  ])('ends with status 2 and says why if given %s', async (_, args, message) => {
    const { status, stdout, stderr } = await workspace.run(args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
  });

  it('ends with status 2 and lists every problem of the configuration', async () => {
    writeFileSync(join(workspace.directory, 'bellwether.config.yaml'), 'budget: {}\ndefaultArm: nowhere\n');
    const { status, stdout, stderr } = await workspace.run(['costs'], { LOG_LEVEL: 'LOUD' });
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.split('\n')).toEqual([
      'The configuration cannot be used:',
      expect.stringContaining('bellwether.config.yaml:1: budget: '),
      expect.stringContaining('bellwether.config.yaml:2: defaultArm: '),
      expect.stringContaining('LOG_LEVEL: '),
      '',
    ]);
  });

  const makers = ['up', 'worker', 'gateway', 'setup', 'demo', 'keys create --name bot'];
  const readers = ['costs', 'keys list', 'rollout status'];
  // One that starts something after all must not do so in this process.
  it.each([...makers.map((each) => ['spawn', each] as const), ...readers.map((each) => ['run', each] as const)])(
    'refuses an unusable data directory: (%s) %s',
    async (way, command) => {
      const file = join(workspace.directory, 'file');
      writeFileSync(file, '');
      const { status, stderr } = await workspace[way](command.split(' '), { BELLWETHER_DATA_DIR: file });
      expect(status).toBe(2);
      expect(stderr).toContain(`BELLWETHER_DATA_DIR: ${file} cannot be used`);
    },
  );

  it('shows where an error comes from only with LOG_LEVEL=debug', async () => {
    const environment = { BELLWETHER_CONFIG: 'gone.yaml' };
    const plain = await workspace.run(['costs'], environment);
    const debugging = await workspace.run(['costs'], { ...environment, LOG_LEVEL: 'DEBUG' });
    expect(plain.stderr).not.toMatch(/^ {4}at /m);
    expect(debugging.stderr).toMatch(/^ {4}at /m);
  });

  it('also shows the cause of an error', () => {
    let told = '';
    const cause = new InvalidInputError([
      { path: ['userId'], code: 'too-short', message: 'must be a non-empty string' },
    ]);
    const status = tellError(new UsageError('--user must be', { cause }), (text) => (told += text), true);
    expect(status).toBe(2);
    expect(told).toMatch(/^UsageError: --user must be\n {4}at .*\nCaused by: InvalidInputError: userId .*\n {4}at /s);
  });
});
