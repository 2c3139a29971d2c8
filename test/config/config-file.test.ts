import { readFileSync } from 'node:fs';
import path from 'node:path';
import { idOf } from '../../src/config/id-of';
import { configJsonSchema } from '../../src/config/schema';
import { Workspace } from './workspace';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.remove());

const fullFile = `
$schema: ./node_modules/bellwether/bellwether.schema.json
providers:
  openai: { baseUrl: https://api.openai.com/v1, apiKeyEnv: OPENAI_API_KEY, maxConnections: 8 }
models:
  gpt-5: { price: { input: 1.25, output: "10.00", cachedInput: 0.125 }, cjkMultiplier: 1.5 }
  openai/gpt-4.1: { price: 6 }
arms:
  openai:
    targets:
      - { name: openai-primary, provider: openai, model: gpt-5, firstAttempt: regular, usualLatencyMs: 6000, maxOutputTokens: 128000 }
      - { name: openai-fallback, provider: openai, model: gpt-4.1, streaming: false, continues: false, stream: { firstTokenMs: 60000 } }
defaultArm: openai
budgets: { sessionUsd: 0.1, dayUsd: "2.500001" }
retry: { maxAttemptsPerTarget: 2, afterSilence: next-target }
stream: { idleMs: 4000 }
breaker: { failures: 12 }
defaults: { temperature: 0 }
`;

describe('the configuration file', () => {
  it('loads as the documentation of the kinds of providers has it', () => {
    const page = readFileSync(path.join(__dirname, '../../docs/providers.md'), 'utf8');
    for (const [, example = ''] of page.matchAll(/```yaml\n([\s\S]*?)```/g)) {
      workspace.write('bellwether.config.yaml', example);
      const { policy, providers } = workspace.load();
      const [target] = policy.arms[policy.defaultArm]?.targets ?? [];
      expect(providers.find(({ name }) => name === target?.provider)?.kind).not.toBe('openai-compatible');
      expect(target).toMatchObject({ continues: false, hiddenPromptTokens: 2_000, maxThinkingTokens: 0 });
    }
  });

  it("prices a write to Anthropic's cache, unless told, above other input", () => {
    workspace.write(
      'bellwether.config.yaml',
      `
providers: { claude: { kind: anthropic, apiKeyEnv: ANTHROPIC_API_KEY } }
models: { claude-opus-4-1: { price: 15 }, claude-sonnet-4-5: { price: { input: 3, output: 15, cacheWrite: 6 } } }
arms:
  claude:
    targets:
      - { name: one, provider: claude, model: claude-opus-4-1, continues: true }
      - { name: two, provider: claude, model: claude-sonnet-4-5 }
defaultArm: claude
`,
    );
    const targets = workspace.load().policy.arms['claude']?.targets ?? [];
    expect(targets.map(({ price }) => price.cacheWriteNanoUsdPerMillion)).toEqual([18_750_000_000, 6_000_000_000]);
    expect(targets.map(({ continues }) => continues)).toEqual([true, false]);
  });

  it('overrides what it names and leaves the rest unchanged', () => {
    workspace.write('bellwether.config.yaml', fullFile);
    const { policy, providers } = workspace.load();
    expect(policy.defaultArm).toBe('openai');
    expect(policy.arms['openai']?.targets[0]).toEqual({
      name: 'openai-primary',
      provider: 'openai',
      model: 'gpt-5',
      price: {
        inputNanoUsdPerMillion: 1_250_000_000,
        outputNanoUsdPerMillion: 10_000_000_000,
        cachedInputNanoUsdPerMillion: 125_000_000,
        cjkMultiplierPercent: 150,
      },
      maxImageTokens: 12_500,
      firstAttempt: 'regular',
      usualLatencyMs: 6000,
      maxOutputTokens: 128_000,
      // By its name.
      maxThinkingTokens: 0,
      askedThinkingTokens: null,
      requestRules: {
        omit: ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'],
        rename: { max_tokens: 'max_completion_tokens' },
        exclusive: [],
        developer: 'developer',
      },
      streaming: true,
      continues: true,
      stream: { firstByteMs: 5_000, firstTokenMs: 10_000, idleMs: 4_000, totalMs: 120_000 },
    });
    expect(policy.arms['openai']?.targets[1]).toMatchObject({
      streaming: false,
      continues: false,
      stream: { firstByteMs: 5_000, firstTokenMs: 60_000, idleMs: 4_000, totalMs: 120_000 },
    });
    expect(policy.breaker).toEqual({ failures: 12, halfOpenAfterMs: 10_000 });
    expect(policy.budgets).toEqual({
      sessionNanoUsd: 100_000_000,
      dayNanoUsd: 2_500_001_000,
      maxCompletionTokens: 2000,
    });
    expect(policy.retry).toMatchObject({ maxAttemptsPerTarget: 2, afterSilence: 'next-target', baseTimeoutMs: 10_000 });
    expect(policy.defaults).toEqual({ temperature: 0, maxTokens: 2000 });
    expect(providers.find(({ name }) => name === 'openai')).toMatchObject({ maxConnections: 8 });
    expect(Object.keys(policy.arms)).toContain('holysheep');
  });

  it('says of a target what it takes and how much it thinks, in place of what is known by its name', () => {
    const target = (fields: string) => `{ name: a, provider: holysheep, model: qwen3-8b${fields} }`;
    const load = (fields: string) => {
      workspace.write(
        'bellwether.config.yaml',
        `models: { qwen3-8b: { price: 1 } }\narms: { holysheep: { targets: [${target(fields)}] } }`,
      );
      return workspace.load().policy.arms['holysheep']?.targets[0];
    };
    expect(load('')).toMatchObject({
      maxThinkingTokens: 81_920,
      askedThinkingTokens: 81_920,
      requestRules: { omit: [], rename: {}, exclusive: [], developer: 'system' },
    });
    expect(load(', maxThinkingTokens: 0, developer: developer')).toMatchObject({
      maxThinkingTokens: 0,
      askedThinkingTokens: null,
      requestRules: { omit: [], developer: 'developer' },
    });
    expect(
      load(', omit: [seed, stream_options], rename: { max_tokens: max_new_tokens }, exclusive: [[temperature, top_p]]'),
    ).toMatchObject({
      maxThinkingTokens: 81_920,
      requestRules: {
        omit: ['seed', 'stream_options'],
        rename: { max_tokens: 'max_new_tokens' },
        exclusive: [['temperature', 'top_p']],
        developer: 'system',
      },
    });
  });

  it('can price the same model per provider', () => {
    workspace.write('bellwether.config.yaml', fullFile);
    const target = workspace.load().policy.arms['openai']?.targets[1];
    expect(target?.price.inputNanoUsdPerMillion).toBe(6_000_000_000);
  });

  it('pins users to arms, whatever their ids look like', () => {
    const pinnedUsers = { 'staff@example.com': 'legacy', constructor: 'legacy', 'user 7': 'holysheep' };
    workspace.write('bellwether.config.json', JSON.stringify({ pinnedUsers }));
    expect([...workspace.load().policy.pinnedArms]).toEqual([
      ['staff@example.com', 'legacy'],
      ['constructor', 'legacy'],
      [idOf('user 7'), 'holysheep'],
    ]);
    expect(workspace.load().policy.pinnedArms.get('toString')).toBeUndefined();
  });

  it('may be JSON, and may be named by BELLWETHER_CONFIG or by the caller', () => {
    const json = JSON.stringify({ budgets: { dayUsd: 7 } });
    workspace.write('bellwether.config.json', json);
    const other = workspace.write('other.yml', 'budgets: { dayUsd: 8 }');
    const third = workspace.write('third.yml', 'budgets: { dayUsd: 9 }');
    expect(workspace.load().policy.budgets.dayNanoUsd).toBe(7e9);
    expect(workspace.load({ BELLWETHER_CONFIG: 'other.yml' }).policy.budgets.dayNanoUsd).toBe(8e9);
    expect(workspace.load({ BELLWETHER_CONFIG: other }, third).policy.budgets.dayNanoUsd).toBe(9e9);
  });

  it('a lower cap on replies also lowers their default length', () => {
    workspace.write('bellwether.config.yaml', 'budgets: { maxCompletionTokens: 400 }\n');
    expect(workspace.load().policy).toMatchObject({
      budgets: { maxCompletionTokens: 400 },
      defaults: { maxTokens: 400 },
    });
  });

  it('may be empty', () => {
    workspace.write('bellwether.config.yaml', '# nothing yet\n');
    expect(workspace.load().policy.defaultArm).toBe('holysheep');
  });

  it('must exist if it is named, must be the only one, and must be YAML', () => {
    expect(workspace.problems({ BELLWETHER_CONFIG: 'gone.yaml' })[0]).toMatch(/^BELLWETHER_CONFIG: there is no file/);
    workspace.write('bellwether.config.yaml', 'retry:\n  - {\n');
    expect(workspace.problems()[0]).toMatch(/^bellwether.config.yaml:\d+: /);
    workspace.write('bellwether.config.json', '{}');
    expect(workspace.problems()[0]).toMatch(/keep one/);
  });

  it('must not refer to anything undefined', () => {
    workspace.write('bellwether.config.yaml', 'budgets: *nothing\n');
    expect(workspace.problems()).toEqual([expect.stringMatching(/^bellwether\.config\.yaml.*nothing/)]);
  });

  it('must be an object', () => {
    workspace.write('bellwether.config.yaml', '- a\n- b\n');
    expect(workspace.problems()).toEqual(['bellwether.config.yaml: the file must be an object']);
  });
});

describe('a problem of the configuration file', () => {
  it.each([
    ['an unknown key', 'budget: {}', '1: budget: is not a setting'],
    ['an unknown key inside', 'retry: { attempts: 3 }', '1: retry.attempts: is not a setting'],
    ['a model without a price', 'models:\n  gpt-6: {}', '2: models.gpt-6.price: '],
    ['half a price', 'models: { gpt-6: { price: { input: 1 } } }', '1: models.gpt-6.price.output: '],
    [
      'a price with 7 decimals',
      'models: { a: { price: 0.1234567 } }',
      '1: models.a.price: must be an amount in US doll',
    ],
    ['a negative budget', 'budgets: { dayUsd: -1 }', '1: budgets.dayUsd: must be at least 0'],
    ['a budget in words', 'budgets: { dayUsd: lots }', '1: budgets.dayUsd: must be an amount'],
    [
      'a discount on CJK',
      'models: { a: { price: 1, cjkMultiplier: 0.5 } }',
      '1: models.a.cjkMultiplier: must be at le',
    ],
    ['no attempt', 'retry: { maxAttemptsPerTarget: 0 }', '1: retry.maxAttemptsPerTarget: must be at least 1'],
    [
      'half an attempt',
      'retry: { maxAttemptsPerTarget: 1.5 }',
      '1: retry.maxAttemptsPerTarget: must be a whole number',
    ],
    ['a number as text', 'retry: { baseDelayMs: "10" }', '1: retry.baseDelayMs: must be a number'],
    ['an unknown choice', 'retry: { afterSilence: wait }', '1: retry.afterSilence: must be "retry" or "next-target"'],
    ['a stream without end', 'stream: { totalMs: 999999 }', '1: stream.totalMs: must be at most 480000'],
    ['an unknown limit', 'stream: { tokenMs: 5 }', '1: stream.tokenMs: is not a setting'],
    [
      'a silence that is longer than the call',
      'stream: { idleMs: 9000, totalMs: 8000 }',
      '1: stream.idleMs: 9000 is over the limit of the whole call, stream.totalMs: 8000',
    ],
    [
      'a wait of one target that is longer than the call',
      'arms: { holysheep: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, stream: { firstByteMs: 150000 } }] } }',
      '1: arms.holysheep.targets[0].stream.firstByteMs: 150000 is over the limit of the whole call',
    ],
    [
      'a whole call of one target',
      'arms: { holysheep: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, stream: { totalMs: 9000 } }] } }',
      '1: arms.holysheep.targets[0].stream.totalMs: is not a setting',
    ],
    [
      'a breaker that never lets go',
      'breaker: { halfOpenAfterMs: 600001 }',
      '1: breaker.halfOpenAfterMs: must be at most 600000',
    ],
    ['a breaker that is always open', 'breaker: { failures: 0 }', '1: breaker.failures: must be at least 1'],
    [
      'a half of streaming',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, streaming: often }] } }',
      '1: arms.a.targets[0].streaming: must be a boolean',
    ],
    [
      'a model that can say nothing',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, maxOutputTokens: 0 }] } }',
      '1: arms.a.targets[0].maxOutputTokens: must be at least 1',
    ],
    [
      'thoughts without end',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, maxThinkingTokens: 1000001 }] } }',
      '1: arms.a.targets[0].maxThinkingTokens: must be at most 1000000',
    ],
    [
      'a request without its limit',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, omit: [max_tokens] }] } }',
      '1: arms.a.targets[0].omit[0]: must be a field that a request can do without; max_tokens bounds its price',
    ],
    [
      'a field that is none',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, omit: ["top p"] }] } }',
      '1: arms.a.targets[0].omit[0]: must be the name of a field',
    ],
    [
      'more answers than one',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, rename: { seed: n } }] } }',
      '1: arms.a.targets[0].rename.seed: must be another field',
    ],
    [
      'two fields under one name',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, rename: { seed: x, stop: x } }] } }',
      '1: arms.a.targets[0].rename: must have a name of its own for each field',
    ],
    [
      'a request without a model',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, rename: { model: name } }] } }',
      '1: arms.a.targets[0].rename: cannot rename model, messages or stream',
    ],
    [
      'an unknown role',
      'arms: { a: { targets: [{ name: a, provider: holysheep, model: gpt-4.1, developer: user }] } }',
      '1: arms.a.targets[0].developer: must be "developer" or "system"',
    ],
    ['an arm without targets', 'arms: { a: { targets: [] } }', '1: arms.a.targets: must have at least 1 entries'],
    ['an odd name', 'arms: { "a b": { targets: [] } }', '1: arms["a b"]: must be a name'],
    [
      'an address with a password',
      'providers: { a: { baseUrl: http://u:p@h/v1 } }',
      '1: providers.a.baseUrl: must not',
    ],
    ['an invalid address', 'providers: { a: { baseUrl: ftp://h } }', '1: providers.a.baseUrl: must be an http or'],
    ['a provider without address', 'providers: { a: {} }', '1: providers.a.baseUrl: is missing'],
    ['an unknown default', 'defaultArm: nowhere', '1: defaultArm: no arm named "nowhere"; there are: holysheep, leg'],
    ['an unknown arm of a user', 'pinnedUsers: { ann: nowhere }', '1: pinnedUsers.ann: no arm named "nowhere"; there'],
    ['a user without a name', 'pinnedUsers: { " ": legacy }', '1: pinnedUsers[" "]: must name a user'],
    [
      'a user who is pinned to two arms',
      'pinnedUsers: { "Zo\\u00eb": legacy, "Zoe\\u0308": holysheep }',
      '1: pinnedUsers["Zo\u00eb"]: another spelling of the same name is pinned to another arm',
    ],
    ['a user id that is too long', `pinnedUsers: { ${'a'.repeat(201)}: legacy }`, '1: pinnedUsers.'],
    ['an arm that is a list', 'pinnedUsers: { "a b": [legacy] }', '1: pinnedUsers["a b"]: must be a string'],
    [
      'a user id that no object can hold',
      'pinnedUsers: { __proto__: legacy }',
      '1: pinnedUsers.__proto__: cannot be a user id',
    ],
    ['more than the cap', 'defaults: { maxTokens: 3000 }', '1: defaults.maxTokens: 3000 is over the hard cap'],
  ])('is reported by line and path: %s', (_, content, expected) => {
    workspace.write('bellwether.config.yaml', content);
    expect(workspace.problems()).toContainEqual(expect.stringContaining(`bellwether.config.yaml:${expected}`));
  });

  it('lists the possible names for a wrong reference', () => {
    workspace.write(
      'bellwether.config.yaml',
      `arms:
  holysheep:
    targets:
      - { name: a, provider: holysheep, model: gpt-4.1 }
      - name: a
        provider: holyshep
        model: gpt-99
`,
    );
    expect(workspace.problems()).toEqual([
      'bellwether.config.yaml:6: arms.holysheep.targets[1].provider: no provider named "holyshep"; there are: holysheep, legacy',
      'bellwether.config.yaml:7: arms.holysheep.targets[1].model: no price for the model "gpt-99"; there are prices for: deepseek-v3.2, gemini-2.5-flash, gpt-4.1, claude-sonnet-4.5, legacy-chat',
      'bellwether.config.yaml:5: arms.holysheep.targets[1].name: "a" is the name of an earlier target of this arm',
    ]);
  });

  it('is a custom arm without a choice of the default arm', () => {
    workspace.write(
      'bellwether.config.yaml',
      'arms: { mine: { targets: [{ name: a, provider: holysheep, model: gpt-4.1 }] } }\n',
    );
    expect(workspace.problems()).toEqual([expect.stringContaining('defaultArm: name the arm that takes all turns')]);
  });

  it('does not depend on names that every object has', () => {
    workspace.write('bellwether.config.yaml', 'defaultArm: constructor\n');
    expect(workspace.problems()).toEqual([expect.stringContaining('no arm named "constructor"')]);
  });
});

describe('bellwether.schema.json', () => {
  it('matches the checks (npm run build && npm run schema)', () => {
    const written: unknown = JSON.parse(readFileSync(path.join(__dirname, '../../bellwether.schema.json'), 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
  });
});
