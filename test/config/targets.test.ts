import { Workspace } from './workspace';

let workspace: Workspace;
beforeEach(() => (workspace = new Workspace()));
afterEach(() => workspace.remove());

const providers = `
providers:
  east: { baseUrl: 'https://east.example.com/v1' }
  west: { baseUrl: 'https://west.example.com/v1' }
`;
const chain = (target: string) => `chains: { support: { targets: [${target}] } }`;
const pool = (fields: string) => chain(`{ name: p, model: gpt-4.1, ${fields} }`);
const two = 'members: [{ provider: east }, { provider: west }]';

describe('a problem of a chain or a pool', () => {
  it.each([
    [
      'a name of an arm',
      'chains: { legacy: { targets: [{ name: p, provider: east, model: gpt-4.1 }] } }',
      ['chains.legacy: "legacy" is the name of the arm arms.legacy: call one of them something else'],
    ],
    [
      'the name of routing',
      'chains: { bellwether: { targets: [{ name: p, provider: east, model: gpt-4.1 }] } }',
      ['chains.bellwether: "bellwether" is the name of the model that leaves the choice to routing'],
    ],
    [
      'a name of an alias',
      `gateway: { aliases: [x, support] }\n${chain('{ name: p, provider: east, model: gpt-4.1 }')}`,
      ['chains.support: "support" is the name of the alias gateway.aliases[1]: call one of them something else'],
    ],
    [
      'a name of a model',
      'chains: { deepseek-v3.2: { targets: [{ name: p, provider: east, model: gpt-4.1 }] } }',
      [
        'chains["deepseek-v3.2"]: "deepseek-v3.2" is the name of a model of the arm arms.holysheep: call the chain something else',
      ],
    ],
    ['no provider', chain('{ name: p, model: gpt-4.1 }'), ['chains.support.targets[0].provider: is missing']],
    [
      'a provider beside members',
      pool(`provider: east, ${two}`),
      ['chains.support.targets[0].provider: cannot stand beside members: each of them names its own'],
    ],
    [
      'a cooldown of nothing',
      pool('provider: east, cooldownMs: 5000'),
      ['chains.support.targets[0].cooldownMs: means nothing without members'],
    ],
    [
      'one member',
      pool('members: [{ provider: east }]'),
      [expect.stringContaining('chains.support.targets[0].members: ') as string],
    ],
    [
      'a weight of nothing',
      pool('members: [{ provider: east, weight: 0 }, { provider: west }]'),
      ['chains.support.targets[0].members[0].weight: must be at least 1'],
    ],
    [
      'an unknown provider of a member',
      pool('members: [{ provider: east }, { provider: north }]'),
      [expect.stringContaining('chains.support.targets[0].members[1].provider: no provider named "north"') as string],
    ],
    [
      'the same member twice',
      pool('members: [{ provider: east }, { provider: east }]'),
      ['chains.support.targets[0].members[1].provider: "east" is an earlier member with the same model'],
    ],
    [
      'a model without a price',
      chain(`{ name: p, model: gpt-9, ${two} }`),
      [
        expect.stringContaining('chains.support.targets[0].members[0].model: no price for the model "gpt-9"') as string,
        expect.stringContaining('chains.support.targets[0].members[1].model: no price for the model "gpt-9"') as string,
      ],
    ],
    [
      'the name of an earlier target',
      chain('{ name: p, provider: east, model: gpt-4.1 }, { name: p, provider: west, model: gpt-4.1 }'),
      ['chains.support.targets[1].name: "p" is the name of an earlier target of this chain'],
    ],
    [
      'a rest of a day',
      pool(`${two}, cooldownMs: 86400000`),
      ['chains.support.targets[0].cooldownMs: must be at most 600000'],
    ],
  ])('names its place: %s', (_, content, expected) => {
    workspace.write('bellwether.config.yaml', providers + content);
    const problems = workspace.problems().map((problem) => problem.replace(/^bellwether\.config\.yaml:\d+: /, ''));
    expect(problems).toEqual(expected);
  });

  it('is more than 30 targets, with each member counted', () => {
    const names = Array.from({ length: 10 }, (_, index) => `r${index}`);
    const regions = names.map((name) => `  ${name}: { baseUrl: 'https://${name}.example.com/v1' }`).join('\n');
    const members = names.map((name) => `{ provider: ${name} }`).join(', ');
    const pools = ['a', 'b', 'c', 'd'].map((name) => `{ name: ${name}, model: gpt-4.1, members: [${members}] }`);
    const write = (count: number) =>
      workspace.write('bellwether.config.yaml', `providers:\n${regions}\n${chain(pools.slice(0, count).join(', '))}`);
    write(4);
    expect(workspace.problems()).toEqual([
      expect.stringContaining('chains.support.targets: has more than 30 targets, with each member counted'),
    ]);
    write(3);
    expect(workspace.load().policy.chains['support']?.targets).toHaveLength(30);
  });
});

test('a member has the price and the name that its own provider gives the model', () => {
  workspace.write(
    'bellwether.config.yaml',
    `${providers}
models: { gpt-4.1: { price: 2 }, west/gpt-4.1: { price: 3 }, eu-deployment: { price: 5 } }
${pool('members: [{ provider: east, weight: 3 }, { provider: west }, { provider: west, model: eu-deployment }]')}`,
  );
  const shared = { name: 'p', pool: { model: 'gpt-4.1', weight: 1, cooldownMs: 10_000 } };
  const price = (usd: number) => ({ inputNanoUsdPerMillion: usd * 1e9 });
  expect(workspace.load().policy.chains['support']?.targets).toMatchObject([
    { ...shared, provider: 'east', model: 'gpt-4.1', price: price(2), pool: { ...shared.pool, weight: 3 } },
    { ...shared, provider: 'west', model: 'gpt-4.1', price: price(3) },
    { ...shared, provider: 'west', model: 'eu-deployment', price: price(5) },
  ]);
});
