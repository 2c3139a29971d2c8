import { rmSync } from 'node:fs';
import { inspect } from 'node:util';
import { Workspace } from './workspace';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.remove());

function holysheepKeyReader(environment: Record<string, string> = {}) {
  const provider = workspace.load(environment).providers.find(({ name }) => name === 'holysheep');
  if (!provider) throw new Error('There is no provider holysheep.');
  return provider.readApiKey;
}

describe('a provider’s key', () => {
  it('is read from the environment, which overrides .env', () => {
    workspace.write('.env', 'HOLYSHEEP_API_KEY=from-dot-env\n');
    expect(holysheepKeyReader()({ refresh: false })).toBe('from-dot-env');
    expect(holysheepKeyReader({ HOLYSHEEP_API_KEY: 'real' })({ refresh: false })).toBe('real');
    expect(holysheepKeyReader({ HOLYSHEEP_API_KEY: 'real' })({ refresh: true })).toBe('real');
  });

  it('is read again after it was replaced in .env', () => {
    workspace.write('.env', 'HOLYSHEEP_API_KEY=old\n');
    const readApiKey = holysheepKeyReader();
    workspace.write('.env', 'HOLYSHEEP_API_KEY=new\n');
    expect(readApiKey({ refresh: false })).toBe('old');
    expect(readApiKey({ refresh: true })).toBe('new');
    expect(readApiKey({ refresh: false })).toBe('new');
  });

  it('is read again after it was replaced in a secret file', () => {
    const file = workspace.write('secret', 'old\n');
    const readApiKey = holysheepKeyReader({ HOLYSHEEP_API_KEY_FILE: file });
    expect(readApiKey({ refresh: false })).toBe('old');
    workspace.write('secret', 'new\n');
    expect(readApiKey({ refresh: true })).toBe('new');
  });

  it('stays the same while its file is missing', () => {
    const file = workspace.write('secret', 'old\n');
    const readApiKey = holysheepKeyReader({ HOLYSHEEP_API_KEY_FILE: file });
    rmSync(file);
    expect(readApiKey({ refresh: true })).toBe('old');
  });

  it('may be in a file that the configuration names, relative to the configuration', () => {
    workspace.write('bellwether.config.yaml', 'providers: { holysheep: { apiKeyFile: ./key.txt } }\n');
    workspace.write('key.txt', 'from-file\n');
    expect(holysheepKeyReader({ HOLYSHEEP_API_KEY: 'ignored' })({ refresh: false })).toBe('from-file');
  });

  it('is reported as missing by line and path if that file does not exist', () => {
    workspace.write('bellwether.config.yaml', 'providers:\n  holysheep: { apiKeyFile: ./gone.txt }\n');
    expect(workspace.problems()).toEqual([
      expect.stringMatching(/^bellwether\.config\.yaml:2: providers\.holysheep\.apiKeyFile: .*gone\.txt.*ENOENT/),
    ]);
  });

  it('does not show when settings are printed', () => {
    const settings = workspace.load({ HOLYSHEEP_API_KEY: 'sk-very-secret' });
    expect(inspect(settings, { depth: 10 }) + JSON.stringify(settings)).not.toContain('sk-very-secret');
  });

  it.each([
    ['holds a line break', { HOLYSHEEP_API_KEY: 'sk-very\nsecret' }],
    ['is in the environment twice', { HOLYSHEEP_API_KEY: 'sk-very-secret', HOLYSHEEP_API_KEY_FILE: 'key.txt' }],
    ['names a missing file', { HOLYSHEEP_API_KEY_FILE: '/nowhere/key' }],
  ])('is refused, naming the variable and not the key, if it %s', (_, environment) => {
    const problems = workspace.problems(environment);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('HOLYSHEEP_API_KEY');
    expect(problems[0]).not.toContain('secret');
  });

  it('is refused in the configuration file, without showing it', () => {
    workspace.write('bellwether.config.yaml', 'providers:\n  holysheep:\n    apiKey: sk-very-secret\n');
    const problems = workspace.problems();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^bellwether.config.yaml:3: providers.holysheep.apiKey: a key does not belong/);
    expect(problems[0]).not.toContain('sk-very-secret');
  });

  it('is refused in place of the variable’s name, without showing it', () => {
    workspace.write('bellwether.config.yaml', 'providers: { holysheep: { apiKeyEnv: sk-very-secret } }\n');
    const problems = workspace.problems();
    expect(problems).toEqual([expect.stringMatching(/apiKeyEnv: must be the name of an environment variable/)]);
    expect(problems.join()).not.toContain('sk-very-secret');
  });
});
