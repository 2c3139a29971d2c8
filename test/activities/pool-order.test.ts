import { inPoolOrder } from '../../src/activities/pool-order';
import type { Target } from '../../src/contract/policy';
import { loadSettings } from '../../src/config/load-settings';

const [example] = loadSettings({ environment: {} }).policy.arms['holysheep']!.targets;

function member(provider: string, weight: number): Target {
  return { ...example!, name: 'pool', provider, pool: { model: example!.model, weight, cooldownMs: 1000 } };
}

const pool = [member('east', 1), member('west', 2), member('north', 5)];
const noneRests = () => false;
const keys = Array.from({ length: 2_000 }, (_, index) => `session-${index}`);
const firstOf = (members: readonly Target[], key: string, isResting: (target: Target) => boolean = noneRests) =>
  inPoolOrder(members, key, isResting)[0]!.provider;

test('2,000 sessions divide by weight', () => {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(firstOf(pool, key), (counts.get(firstOf(pool, key)) ?? 0) + 1);
  for (const { provider, pool: facts } of pool) {
    const share = facts!.weight / 8;
    // Four standard deviations of a fair draw.
    const bound = 4 * Math.sqrt(keys.length * share * (1 - share));
    expect(Math.abs((counts.get(provider) ?? 0) - keys.length * share)).toBeLessThan(bound);
  }
});

test('a session stays with its member, and a member that rests gives up only its own', () => {
  const rests = ({ provider }: Target) => provider === 'west';
  const moved = keys.filter((key) => firstOf(pool, key, rests) !== firstOf(pool, key));
  expect(moved).toEqual(keys.filter((key) => firstOf(pool, key) === 'west'));
  expect(moved.length).toBeGreaterThan(0);
  const added = [...pool, member('south', 2)];
  const gained = keys.filter((key) => firstOf(added, key) !== firstOf(pool, key));
  expect(new Set(gained.map((key) => firstOf(added, key)))).toEqual(new Set(['south']));
});

test('members that rest come last in their pool, and targets keep their places in the chain', () => {
  const { pool: _alone, ...single } = member('single', 1);
  const chain = [{ ...single, name: 'first' }, ...pool, { ...single, name: 'last' }];
  const order = inPoolOrder(chain, 'key', ({ provider }) => provider !== 'east');
  expect(order.map(({ name }) => name)).toEqual(['first', 'pool', 'pool', 'pool', 'last']);
  expect(order[1]!.provider).toBe('east');
});
