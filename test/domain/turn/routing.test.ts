import * as fc from 'fast-check';
import type { TrafficSplit } from '../../../src/contract/rollout';
import { chainFor, notYetTried, route, type RoutingPolicy } from '../../../src/domain/turn/routing';

const noTargets = { targets: [] };
const policy: RoutingPolicy = {
  arms: { legacy: { name: 'legacy', ...noTargets }, holysheep: { name: 'holysheep', ...noTargets } },
  defaultArm: 'legacy',
  pinnedArms: new Map([['staff', 'holysheep']]),
};

const split: TrafficSplit = {
  rollout: 'november',
  baselineArm: 'legacy',
  canaryArm: 'holysheep',
  percent: 10,
  bake: 3,
  active: true,
  rescue: true,
  salt: null,
};

const countedIn = { rollout: 'november', bake: 3 };

describe('a new turn', () => {
  it('goes to the default arm while there is no split', () => {
    expect(route(policy, null, 'ann', 1)).toEqual({ arm: 'legacy', countedIn: null });
  });

  it.each([
    [0, 1, 'legacy'],
    [1, 1, 'holysheep'],
    [10, 10, 'holysheep'],
    [10, 11, 'legacy'],
    [99, 100, 'legacy'],
    [100, 100, 'holysheep'],
  ])('at %i %% with bucket %i goes to %s, and is counted', (percent, bucket, arm) => {
    expect(route(policy, { ...split, percent }, 'ann', bucket)).toEqual({ arm, countedIn });
  });

  it.each([
    [100, 'holysheep'],
    [0, 'legacy'],
  ])('stays where a rollout that ended at %i %% left it, and is not counted', (percent, arm) => {
    expect(route(policy, { ...split, percent, active: false }, 'ann', 50)).toEqual({ arm, countedIn: null });
  });

  it.each([1, 100])('of a pinned user goes to their arm and is not counted, with bucket %i', (bucket) => {
    for (const current of [null, split, { ...split, percent: 0 }]) {
      expect(route(policy, current, 'staff', bucket)).toEqual({ arm: 'holysheep', countedIn: null });
    }
  });

  it.each([
    ['a split to an arm', { ...split, canaryArm: 'gone' }, 'ann'],
    ['a split to the name of a method', { ...split, canaryArm: 'constructor' }, 'ann'],
    ['a pin to an arm', split, 'ben'],
  ])('goes to the default arm and is not counted, for %s that is not configured', (_title, current, userId) => {
    const pinned = { ...policy, pinnedArms: new Map([['ben', 'gone']]) };
    expect(route(pinned, current, userId, 1)).toEqual({ arm: 'legacy', countedIn: null });
  });

  it.each(['__proto__', 'constructor', 'toString', null])('of %p is pinned by nobody', (userId) => {
    expect(route(policy, split, userId, 100).arm).toBe('legacy');
  });

  it('stays on the canary arm when the percent rises', () => {
    const percent = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(percent, percent, fc.integer({ min: 1, max: 100 }), (one, other, bucket) => {
        const at = (value: number) => route(policy, { ...split, percent: value }, 'ann', bucket).arm;
        if (at(Math.min(one, other)) === 'holysheep') expect(at(Math.max(one, other))).toBe('holysheep');
      }),
    );
  });
});

describe('the chain of a turn', () => {
  const targets = [
    { name: 'primary', model: 'small' },
    { name: 'fallback', model: 'large' },
    { name: 'elsewhere', model: 'large' },
    { name: 'last', model: 'tiny' },
  ];
  const namesOf = (model: string | undefined) => chainFor(targets, model).map(({ name }) => name);

  it('begins with the targets that have the model it asks for, and keeps the order otherwise', () => {
    expect(namesOf('large')).toEqual(['fallback', 'elsewhere', 'primary', 'last']);
  });

  it.each([[undefined], ['small'], ['unknown']])('is as configured when it asks for %s', (model) => {
    expect(namesOf(model)).toEqual(['primary', 'fallback', 'elsewhere', 'last']);
  });
});

describe('what rescues a turn of the canary', () => {
  const canary = [
    { name: 'primary', provider: 'new', model: 'small' },
    { name: 'fallback', provider: 'old', model: 'large' },
  ];
  const baseline = [
    { name: 'primary', provider: 'old', model: 'small' },
    { name: 'second', provider: 'old', model: 'large' },
    { name: 'third', provider: 'old', model: 'huge' },
  ];
  const namesOf = (model: string | undefined) => notYetTried(chainFor(baseline, model), canary).map(({ name }) => name);

  it('is the baseline chain without what the canary has tried, the model that it asks for first', () => {
    expect(namesOf(undefined)).toEqual(['primary', 'third']);
    expect(namesOf('huge')).toEqual(['third', 'primary']);
  });

  it('is nothing without a baseline', () => {
    expect(notYetTried([], canary)).toEqual([]);
  });
});
