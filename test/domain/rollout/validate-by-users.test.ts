import { describeProblem, type Problem } from '../../../src/contract/problem';
import type { RolloutSpec } from '../../../src/contract/rollout';
import { rolloutSpecProblem } from '../../../src/domain/rollout/validate';
import { readCommand, rolloutCommandProblem } from '../../../src/domain/rollout/validate-command';
import { hourMs, specWith } from './given';
import { userSpec } from './given-users';

const sentence = (problem: Problem | null): string | null => problem && describeProblem(problem);
const problemOf = (spec: unknown): string | null => sentence(rolloutSpecProblem(spec as RolloutSpec));

describe('the spec of a rollout under rule 2', () => {
  it('can have all its fields', () => {
    const gates = { userWindowMs: hourMs, longestCallMs: 1000, guards: { cost: 'report', flags: 'act' } } as const;
    const fields = { languages: ['zh', 'th', 'pt'], holdbackPercent: 5, rescue: false, salt: 'november' };
    expect(problemOf(userSpec(fields, gates))).toBeNull();
    expect(problemOf(userSpec())).toBeNull();
  });

  it.each([
    [{ rule: 3 }, 'rule must be 2, or absent for rule 1, not 3'],
    [{ languages: 'zh' }, 'languages must be a list of up to 20 languages'],
    [{ languages: Array.from({ length: 21 }, () => 'zh') }, 'languages must be a list of up to 20 languages'],
    [{ languages: ['zh', 'zh-CN'] }, /^languages\[1\] must be one of the languages .*\bvi, zh\), not "zh-CN"$/],
    [{ languages: ['fil'] }, /^languages\[0\] must be one of .*\btl\b.*, not "fil"$/],
    [{ languages: ['zh', 'th', 'zh'] }, 'languages[2] must not repeat "zh"'],
    [{ holdbackPercent: 6 }, 'holdbackPercent must be a whole number from 0 to 5, not 6'],
    [{ holdbackPercent: -1 }, 'holdbackPercent must be a whole number from 0 to 5, not -1'],
    [{ holdbackPercent: 0.5 }, 'holdbackPercent must be a whole number from 0 to 5, not 0.5'],
    [
      { holdbackPercent: 3, steps: [{ percent: 97, nominalEndMs: hourMs, minimumBakeMs: 0 }] },
      'holdbackPercent must be less than the 3% that the last step leaves on the baseline, not 3',
    ],
    [{ rescue: 'yes' }, 'rescue must be true or false, not "yes"'],
    [{ salt: '' }, 'salt must be a non-empty string'],
    [
      { steps: [{ percent: 10, nominalEndMs: hourMs, minimumBakeMs: 0, minimumUsers: 0 }] },
      'steps[0].minimumUsers must be a whole number of at least 1, not 0',
    ],
  ])('names the field and the limit: %j', (changes, problem) => {
    expect(problemOf({ ...userSpec(), ...changes })).toMatch(problem);
  });

  it.each([
    [{ maxRequestsPerUser: 101 }, 'gates.maxRequestsPerUser must be at most 100, not 101'],
    [
      { maxLatencyPercent: 99 },
      /^gates\.maxLatencyPercent must be at least 100, not 99: .*; null turns this guard off$/,
    ],
    [{ userWindowMs: 99 }, 'gates.userWindowMs must be a duration from 100 ms to 8784 h, not 99 ms'],
    [{ longestCallMs: '10m' }, /^gates\.longestCallMs must be a whole number of milliseconds .*, not "10m"$/],
    [{ guards: null }, 'gates.guards must be an object'],
    [
      { guards: { price: 'act' } },
      'gates.guards.price is no guard; there are declined, latency, firstToken, flags, feedback, cost, wrongShare',
    ],
    [{ guards: { cost: 'off' } }, 'gates.guards.cost must be act or report, not "off"'],
  ])('names the gate and the limit: %j', (changes, problem) => {
    const spec = userSpec();
    expect(problemOf({ ...spec, gates: { ...spec.gates, ...changes } })).toMatch(problem);
  });

  it.each([
    [{ languages: ['zh'] }, 'languages needs rule 2, which counts users'],
    [{ holdbackPercent: 2 }, 'holdbackPercent needs rule 2, which counts users'],
    [{ gates: { ...specWith().gates, guards: {} } }, 'gates.guards needs rule 2, which counts users'],
  ])('protects nobody under rule 1: %j', (changes, problem) => {
    expect(problemOf({ ...specWith(), ...changes })).toBe(problem);
  });
});

describe('the command to exclude a period', () => {
  const whole = { actor: 'ann', reason: 'outage', fromMs: 1_000, toMs: 2_000 };

  it('keeps its time, and the other commands do not', () => {
    expect(readCommand('exclude', whole)).toEqual({ name: 'exclude', ...whole });
    expect(readCommand('pause', whole)).toEqual({ name: 'pause', actor: 'ann', reason: 'outage' });
  });

  it.each([
    [{ fromMs: undefined }, 'fromMs is needed to exclude a period'],
    [{ toMs: undefined }, 'toMs is needed to exclude a period'],
    [{ fromMs: '9:00' }, 'fromMs must be a whole number of milliseconds since 1970, not "9:00"'],
    [{ toMs: 1_000 }, 'toMs must be after the start of the period'],
    [{ toMs: 1_001 + 7 * 24 * hourMs }, /^toMs must be at most 168 h after the start, not \d+ ms$/],
    [{ reason: ' ' }, 'reason must say why this period does not count'],
    [{ reason: undefined }, 'reason must say why this period does not count'],
  ])('names the field and the limit: %j', (changes, problem) => {
    const command = { ...whole, ...changes };
    expect(sentence(rolloutCommandProblem(command, 'exclude'))).toMatch(problem);
    expect(readCommand('exclude', command).problem).toMatch(problem);
  });
});
