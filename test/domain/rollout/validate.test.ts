import * as fc from 'fast-check';
import { describeProblem, type Problem } from '../../../src/contract/problem';
import type { RolloutSpec } from '../../../src/contract/rollout';
import { defaultRolloutGates, rolloutPlans } from '../../../src/domain/rollout/plans';
import { rolloutSpecProblem } from '../../../src/domain/rollout/validate';
import { readCommand, rolloutCommandProblem } from '../../../src/domain/rollout/validate-command';
import { hourMs, specWith } from './given';

const sentence = (problem: Problem | null): string | null => problem && describeProblem(problem);
const problemOf = (spec: unknown): string | null => sentence(rolloutSpecProblem(spec as RolloutSpec));
const step = (percent: unknown, nominalEndMs: unknown, minimumBakeMs: unknown = 0) => ({
  percent,
  nominalEndMs,
  minimumBakeMs,
});

/** All values that JSON and worse can bring, those without a prototype or with holes too. */
const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
});

describe('the spec of a rollout', () => {
  it.each(Object.keys(rolloutPlans) as (keyof typeof rolloutPlans)[])('can be the plan %s', (plan) => {
    expect(rolloutSpecProblem(specWith(rolloutPlans[plan]))).toBeNull();
  });

  it.each([
    [null, 'the spec must be an object'],
    [undefined, 'the spec must be an object'],
    ['72h', 'the spec must be an object'],
    [7, 'the spec must be an object'],
    [[], 'name must be a non-empty string'],
    [{}, 'name must be a non-empty string'],
  ])('cannot be %j', (spec, problem) => expect(problemOf(spec)).toBe(problem));

  it.each([
    [{ name: '' }, 'name must be a non-empty string'],
    [{ name: 'two words' }, 'name may hold visible ASCII characters only, without spaces'],
    [{ name: 'x'.repeat(1000) }, /^name has 1000 characters, the limit is \d+$/],
    [{ baselineArm: 5 }, 'baselineArm must be a non-empty string'],
    [{ canaryArm: null }, 'canaryArm must be a non-empty string'],
    [{ canaryArm: 'legacy' }, 'canaryArm must be a different arm from baselineArm (legacy)'],
    [{ actor: undefined }, 'actor must be a non-empty string'],
    [{ takeOver: 'yes' }, 'takeOver must be true or false'],
    [{ intervalMs: 99 }, 'intervalMs must be a duration from 100 ms to 8784 h, not 99 ms'],
    [{ intervalMs: NaN }, /^intervalMs must be .*, not NaN$/],
    [{ intervalMs: '5m' }, /^intervalMs must be .*, not "5m"$/],
    [{ warmMs: -1 }, 'warmMs must be a duration from 0 s to 8784 h, not -1 ms'],
    [{ warmMs: Infinity }, /^warmMs must be .*, not Infinity$/],
    [{ warmMs: 367 * 24 * hourMs }, /^warmMs must be .* to 8784 h, not 8808 h$/],
    [{ gates: null }, 'gates must be an object'],
    [{ freezeWindows: null }, 'freezeWindows must be a list of up to 100 windows'],
    [
      { freezeWindows: Array.from({ length: 101 }, () => ({ fromMs: 1, toMs: 2 })) },
      'freezeWindows must be a list of up to 100 windows',
    ],
    [{ freezeWindows: [{ fromMs: 1, toMs: 2 }, null] }, 'freezeWindows[1] must be an object'],
    [{ freezeWindows: [{ fromMs: 2, toMs: 2 }] }, /^freezeWindows\[0\] must begin before it ends/],
    [
      { freezeWindows: [{ fromMs: '1', toMs: 2 }] },
      /^freezeWindows\[0\].fromMs must be a whole number .* 1970, not "1"$/,
    ],
  ])('names the field and the limit: %j', (changes, problem) => {
    expect(problemOf({ ...specWith(), ...changes })).toMatch(problem);
  });

  it.each([
    ['no list', 'steps', /^steps must be a list of 1 to 50 steps$/],
    ['an object', {}, /^steps must be a list/],
    ['empty', [], /^steps must be a list/],
    ['too many', Array.from({ length: 51 }, (_, index) => step(index + 1, index + 1)), /^steps must be a list/],
    ['of null', [null], /^steps\[0\] must be an object$/],
    ['with a gap', [step(10, 1), undefined, step(20, 2)], /^steps\[1\] must be an object$/],
    ['of lists', [[10, 18, 12]], /^steps\[0\]\.percent must be a whole number from 1 to 99, not undefined/],
    ['at 0%', [step(0, 1)], /^steps\[0\]\.percent must be .* from 1 to 99, not 0; 100% follows after the last step$/],
    ['at 100%', [step(100, 1)], /^steps\[0\]\.percent must be .*, not 100; 100% follows/],
    ['at 101%', [step(10, 1), step(101, 2)], /^steps\[1\]\.percent must be .*, not 101;/],
    ['at half a percent', [step(0.5, 1)], /^steps\[0\]\.percent must be a whole number/],
    ['at NaN', [step(NaN, 1)], /^steps\[0\]\.percent must be .*, not NaN;/],
    ['at a text', [step('10', 1)], /^steps\[0\]\.percent must be .*, not "10";/],
    [
      'decreasing',
      [step(50, 1), step(25, 2)],
      'steps[1].percent must be more than the 50% of the previous step, not 25',
    ],
    ['repeated', [step(50, 1), step(50, 2)], 'steps[1].percent must be more than the 50% of the previous step, not 50'],
    [
      'ending before they begin',
      [step(1, 9), step(2, 9)],
      /^steps\[1\]\.nominalEndMs must be later than 9 ms, .*, not 9 ms$/,
    ],
    ['ending never', [step(1, null)], /^steps\[0\]\.nominalEndMs must be a whole number of milliseconds .*, not null$/],
    [
      'ending a moment before they begin',
      [step(1, 2 * hourMs), step(2, 2 * hourMs - 1)],
      /^steps\[1\]\.nominalEndMs must be later than 2 h, .*, not 7199999 ms$/,
    ],
    ['with a negative bake', [step(1, 9, -1)], /^steps\[0\]\.minimumBakeMs must be .* from 0 s to 8784 h, not -1 ms$/],
    ['with a bake of NaN', [step(1, 9, NaN)], /^steps\[0\]\.minimumBakeMs must be .*, not NaN$/],
    [
      'with a bake longer than they are',
      [step(1, 5), step(2, 9, 5)],
      /^steps\[1\]\.minimumBakeMs must be at most 4 ms, .*, not 5 ms$/,
    ],
  ])('cannot have steps that are %s', (_, steps, problem) => {
    expect(problemOf({ ...specWith(), steps })).toMatch(problem);
  });

  it.each([
    [{ alpha: 0 }, 'gates.alpha must be a number between 0 and 1, not 0'],
    [{ beta: 1 }, 'gates.beta must be a number between 0 and 1, not 1'],
    [{ beta: NaN }, 'gates.beta must be a number between 0 and 1, not NaN'],
    [{ minimumSuccessRate: '99%' }, 'gates.minimumSuccessRate must be a number between 0 and 1, not "99%"'],
    [{ expectedSuccessRate: 0.99 }, /^gates.expectedSuccessRate must be more than gates.minimumSuccessRate \(0.99\)/],
    [{ breachSuccessRate: 0.99 }, /^gates.breachSuccessRate must be less than gates.minimumSuccessRate \(0.99\)/],
    [{ minimumStepRequests: 0 }, 'gates.minimumStepRequests must be a whole number of at least 1, not 0'],
    [{ maxRequestsPerUser: 1.5 }, 'gates.maxRequestsPerUser must be a whole number of at least 1, not 1.5'],
    [{ freshnessMs: 0 }, /^gates.freshnessMs must be a duration from 100 ms to 8784 h, not 0 s$/],
    [{ maxLatencyPercent: 0 }, /^gates.maxLatencyPercent must be .* at least 1, not 0; null turns this guard off$/],
    [{ maxCostPercent: 'baseline' }, /^gates.maxCostPercent must be .*, not "baseline"; null turns this guard off$/],
    [{ maxCostPercent: undefined }, /^gates.maxCostPercent must be .*, not undefined; null/],
    [{ maxCostNanoUsdPerSuccess: -1 }, /^gates.maxCostNanoUsdPerSuccess must be .*, not -1; null/],
    [{ maxCostNanoUsdPerSuccess: [1] }, /^gates.maxCostNanoUsdPerSuccess must be .*, not a list; null/],
  ])('cannot have gates like %j', (gates, problem) => {
    expect(problemOf({ ...specWith(), gates: { ...defaultRolloutGates, ...gates } })).toMatch(problem);
  });

  it.each(['maxLatencyPercent', 'maxCostPercent', 'maxCostNanoUsdPerSuccess'])('can omit %s', (guard) => {
    expect(rolloutSpecProblem(specWith({}, { [guard]: null }))).toBeNull();
  });

  it('is refused with a message, never with an exception, whatever it is', () => {
    fc.assert(fc.property(anything, (spec) => expect(problemOf(spec)).toEqual(expect.any(String))));
  });

  it('is refused with the name of the one wrong field', () => {
    const spec = specWith();
    const places = [
      ...Object.keys(spec).map((field) => [field]),
      ...Object.keys(spec.gates).map((field) => ['gates', field]),
      ...['percent', 'nominalEndMs', 'minimumBakeMs'].map((field) => ['steps', '1', field]),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...places), anything, (place, value) => {
        const changed = structuredClone(spec);
        const [field, ...parents] = place.toReversed();
        const parent = parents.reduceRight<Record<string, unknown>>(
          (within, part) => within[part] as Record<string, unknown>,
          changed as unknown as Record<string, unknown>,
        );
        parent[field!] = value;
        const problem = problemOf(changed);
        // A value that happens to be good is no problem; one that is too far from its neighbour's names one of the two.
        if (problem !== null) expect(problem).toContain(place[0]);
        if (problem !== null) expect(problem.length).toBeLessThan(250);
        if (typeof value === 'symbol' || typeof value === 'bigint') expect(problem).toContain(field);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a command', () => {
  it('keeps the fields of a command and nothing else that a signal brought', () => {
    const input = { actor: 'ann', reason: 'so', full: true, force: true, seenPercent: 10 };
    expect(readCommand('promote', { ...input, name: 'rollback', note: 'secret' })).toEqual({
      name: 'promote',
      ...input,
    });
    expect(readCommand('pause', { actor: 'ann', reason: undefined })).toEqual({ name: 'pause', actor: 'ann' });
  });

  it.each([
    [undefined, 'somebody', undefined],
    ['now!', 'somebody', undefined],
    [{ actor: '  ', reason: 'complaints' }, 'somebody', 'complaints'],
    [{ actor: 'ann', reason: 'x'.repeat(5000) }, 'ann', 'x'.repeat(1000)],
    [{ actor: { name: 'ann' }, reason: 5 }, 'somebody', undefined],
  ])('keeps who sent it and why as far as possible, and what is wrong: %j', (input, actor, reason) => {
    const problem = sentence(rolloutCommandProblem(input));
    expect(problem).toEqual(expect.any(String));
    expect(readCommand('rollback', input)).toEqual({ name: 'rollback', actor, reason, problem });
  });

  it('can be read from anything that a signal brings, and is small', () => {
    fc.assert(
      fc.property(anything, (input) => {
        const command = readCommand('rollback', input);
        expect(command.name).toBe('rollback');
        expect(command.actor.trim()).not.toBe('');
        expect(JSON.stringify(command).length).toBeLessThan(15_000);
      }),
    );
  });
});
