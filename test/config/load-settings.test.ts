import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { loadSettings } from '../../src/config/load-settings';
import { Workspace } from './workspace';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.remove());

describe('settings without any configuration', () => {
  it('are those of the migration guide', () => {
    const { policy } = workspace.load();
    expect(policy.defaultArm).toBe('holysheep');
    expect(policy.arms['holysheep']?.targets).toMatchObject([
      { name: 'holysheep-primary', model: 'deepseek-v3.2', price: { inputNanoUsdPerMillion: 420_000_000 } },
      { name: 'holysheep-fallback', model: 'gemini-2.5-flash', price: { outputNanoUsdPerMillion: 2_500_000_000 } },
    ]);
    expect(policy.budgets).toEqual({
      sessionNanoUsd: 500_000_000,
      dayNanoUsd: 100_000_000_000,
      maxCompletionTokens: 2000,
    });
    expect(policy.retry).toMatchObject({ maxAttemptsPerTarget: 3, baseTimeoutMs: 10_000, baseDelayMs: 1000 });
    expect(policy.breaker).toEqual({ failures: 8, halfOpenAfterMs: 10_000 });
    expect(policy.arms['holysheep']?.targets[0]).toMatchObject({
      maxOutputTokens: 65_536,
      streaming: true,
      continues: true,
      stream: { firstByteMs: 5_000, firstTokenMs: 10_000, idleMs: 10_000, totalMs: 120_000 },
    });
    expect(policy.defaults).toEqual({ maxTokens: 2000 });
  });

  it('price all-CJK text at the legacy provider at the guide’s effective $8.40 per 1M tokens', () => {
    const price = workspace.load().policy.arms['legacy']?.targets[0]?.price;
    expect(((price?.inputNanoUsdPerMillion ?? 0) * (price?.cjkMultiplierPercent ?? 0)) / 100).toBe(8_400_000_000);
  });

  it('are simulated, embedded and in the working directory', () => {
    const settings = workspace.load();
    expect(settings).toMatchObject({
      simulated: true,
      databaseUrl: undefined,
      redisUrl: undefined,
      encryption: undefined,
      logLevel: 'info',
      dataDirectory: path.join(workspace.directory, '.bellwether'),
      temporal: { address: undefined, namespace: 'default', taskQueue: 'bellwether', connectionOptions: {} },
    });
  });
});

describe('the settings of a process that calls no provider', () => {
  const load = (environment: Record<string, string>) =>
    loadSettings({ environment, workingDirectory: workspace.directory, callsProviders: false });

  it('need no key, not even a missing key file', () => {
    const settings = load({ HOLYSHEEP_API_KEY_FILE: '/run/secrets/not-here' });
    expect(settings.simulated).toBe(false);
    expect(settings.providers[0]?.readApiKey({ refresh: true })).toBeUndefined();
  });

  it('offer the arms whose providers have an address', () => {
    expect(Object.keys(load({}).policy.arms)).toEqual(['holysheep']);
    const withLegacy = load({ LEGACY_BASE_URL: 'https://legacy.example/v1' });
    expect(Object.keys(withLegacy.policy.arms)).toEqual(['holysheep', 'legacy']);
  });

  it('leave it to the workers if a pinned user has no arm', () => {
    workspace.write('bellwether.config.json', JSON.stringify({ pinnedUsers: { 'user-7': 'legacy' } }));
    expect(() => load({})).not.toThrow();
  });
});

describe('the environment', () => {
  it('overrides .env', () => {
    workspace.write('.env', 'LOG_LEVEL=DEBUG\nREDIS_URL=redis://from-file:6379/0\n');
    const settings = workspace.load({ LOG_LEVEL: 'ERROR' });
    expect(settings.logLevel).toBe('error');
    expect(settings.redisUrl).toBe('redis://from-file:6379/0');
  });

  it('is a problem if .env cannot be read', () => {
    mkdirSync(path.join(workspace.directory, '.env'));
    expect(workspace.problems()).toEqual([expect.stringMatching(/^\.env in .* cannot be read: /)]);
  });

  it('does not override with an empty variable', () => {
    workspace.write('.env', 'LOG_LEVEL=DEBUG\n');
    expect(workspace.load({ LOG_LEVEL: '' }).logLevel).toBe('debug');
  });

  it.each([
    ['INFO', 'info'],
    ['Warning', 'warn'],
    ['critical', 'error'],
  ])('takes LOG_LEVEL %s as %s', (text, logLevel) => {
    expect(workspace.load({ LOG_LEVEL: text }).logLevel).toBe(logLevel);
  });

  it('sets the addresses of providers, database and data', () => {
    const settings = workspace.load({
      HOLYSHEEP_BASE_URL: 'http://127.0.0.1:9/v1/',
      LEGACY_BASE_URL: 'http://127.0.0.1:10/v1',
      DATABASE_URL: 'postgres://me:secret@localhost/db',
      BELLWETHER_DATA_DIR: 'data',
      BELLWETHER_CACHE_DIR: '/var/cache/bellwether',
    });
    expect(settings.providers.map(({ name, baseUrl }) => [name, baseUrl])).toEqual([
      ['holysheep', 'http://127.0.0.1:9/v1'],
      ['legacy', 'http://127.0.0.1:10/v1'],
    ]);
    expect(settings.databaseUrl).toBe('postgres://me:secret@localhost/db');
    expect(settings.dataDirectory).toBe(path.join(workspace.directory, 'data'));
    expect(settings.cacheDirectory).toBe('/var/cache/bellwether');
  });

  it('never shows a URL with a password in an error', () => {
    const problems = workspace.problems({ DATABASE_URL: 'mysql://me:hunter2@host/db', REDIS_URL: 'not hunter2' });
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain('hunter2');
  });
});

describe('the legacy provider', () => {
  it('is left out with its arm if it has no address and the other provider is real', () => {
    const settings = workspace.load({ HOLYSHEEP_API_KEY: 'k1' });
    expect(settings.providers.map((provider) => provider.name)).toEqual(['holysheep']);
    expect(Object.keys(settings.policy.arms)).toEqual(['holysheep']);
  });

  it('needs an address if a user is pinned to its arm, unless it is simulated', () => {
    workspace.write('bellwether.config.yaml', 'pinnedUsers: { ann: legacy }');
    expect(workspace.problems({ HOLYSHEEP_API_KEY: 'k1' }).join()).toContain('LEGACY_BASE_URL');
    expect(Object.keys(workspace.load().policy.arms)).toContain('legacy');
  });

  it('needs an address if it has a key', () => {
    const problems = workspace.problems({ HOLYSHEEP_API_KEY: 'k1', LEGACY_API_KEY: 'k2' });
    expect(problems).toEqual(['providers.legacy.baseUrl: is missing, and so is LEGACY_BASE_URL']);
  });
});

describe('simulation', () => {
  it('ends if a provider of the default arm has a key', () => {
    expect(workspace.load({ HOLYSHEEP_API_KEY: 'k1' }).simulated).toBe(false);
  });

  it('ends if any arm has a key, as before a migration, when only the new provider has one here', () => {
    workspace.write('bellwether.config.yaml', 'defaultArm: legacy\n');
    const legacy = { LEGACY_BASE_URL: 'http://127.0.0.1:9/v1' };
    expect(workspace.load({ HOLYSHEEP_API_KEY: 'k1', ...legacy }).simulated).toBe(false);
    expect(workspace.load({ LEGACY_API_KEY: 'k2', ...legacy }).simulated).toBe(false);
    expect(workspace.load(legacy).simulated).toBe(true);
  });

  it('continues with the placeholder from the guide’s .env', () => {
    workspace.write('.env', 'HOLYSHEEP_API_KEY=YOUR_HOLYSHEEP_API_KEY\n');
    expect(workspace.load().simulated).toBe(true);
  });

  it('does not apply to a provider that needs no key', () => {
    workspace.write(
      'bellwether.config.yaml',
      `
providers: { local: { baseUrl: http://127.0.0.1:8000/v1 } }
models: { llama: { price: 0 } }
arms: { local: { targets: [{ name: local-primary, provider: local, model: llama }] } }
defaultArm: local
`,
    );
    expect(workspace.load().simulated).toBe(false);
  });
});

describe('Temporal', () => {
  it('is at the address in its own environment', () => {
    const { temporal } = workspace.load({
      TEMPORAL_ADDRESS: 'temporal.example:7233',
      TEMPORAL_NAMESPACE: 'chat',
      TEMPORAL_API_KEY: 'cloud-key',
    });
    expect(temporal).toMatchObject({
      address: 'temporal.example:7233',
      namespace: 'chat',
      connectionOptions: { address: 'temporal.example:7233', apiKey: 'cloud-key', tls: true },
    });
  });

  it('is at the address in a profile of temporal.toml', () => {
    const file = workspace.write('temporal.toml', '[profile.staging]\naddress = "staging:7233"\nnamespace = "s"\n');
    const { temporal } = workspace.load({ TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'staging' });
    expect(temporal).toMatchObject({ address: 'staging:7233', namespace: 's' });
  });

  it('can also be set in .env', () => {
    workspace.write('.env', 'TEMPORAL_ADDRESS=localhost:7233\n');
    expect(workspace.load().temporal.address).toBe('localhost:7233');
  });

  it('is a problem if its file or profile is missing or its file is broken, and no key is shown', () => {
    expect(workspace.problems({ TEMPORAL_CONFIG_FILE: '/nowhere/temporal.toml' })).toEqual([
      'TEMPORAL_CONFIG_FILE: there is no file /nowhere/temporal.toml',
    ]);
    expect(workspace.problems({ TEMPORAL_PROFILE: 'staging' }).join()).toMatch(/Profile 'staging' not found/);
    const file = workspace.write('temporal.toml', '[profile.default]\napi_key = "cloud-key" oops\n');
    const broken = workspace.problems({ TEMPORAL_CONFIG_FILE: file });
    expect(broken.join()).toMatch(/Invalid TOML/);
    expect(broken.join()).not.toContain('cloud-key');
  });
});

describe('problems', () => {
  it('are all reported at once, from every source', () => {
    workspace.write('bellwether.config.yaml', 'budget: {}\nretry: { maxAttemptsPerTarget: 0 }\n');
    const problems = workspace.problems({ LOG_LEVEL: 'LOUD', DATABASE_URL: 'mysql://x', TEMPORAL_PROFILE: 'none' });
    expect(problems).toHaveLength(5);
  });
});
