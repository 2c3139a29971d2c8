import { rolloutSpecProblem } from '../../src/domain/rollout/validate';
import { buildSpec, shortLongestCall } from '../../src/operator/new-rollout';

const unusedName = (arms: string): Promise<string> => Promise.resolve(`${arms}-november`);

it('a new rollout has the defaults for everything that is not set', async () => {
  expect(await buildSpec({ actor: 'ann' }, { unusedName })).toMatchObject({
    name: 'legacy-to-holysheep-november',
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    intervalMs: 300_000,
    gates: { freshnessMs: 900_000 },
    takeOver: false,
    rule: 2,
  });
});

it('a new rollout has the fields of rule 2 that are set, and no others', async () => {
  const fields = { languages: ['zh'], holdbackPercent: 2, rescue: false, salt: 'november' };
  expect(await buildSpec({ actor: 'ann', ...fields }, { unusedName })).toMatchObject(fields);
  const names = Object.keys(await buildSpec({ actor: 'ann' }, { unusedName }));
  expect(names).toEqual(expect.not.arrayContaining(Object.keys(fields)));
});

it('a compressed plan closes its users sooner, but not before their calls can have ended', async () => {
  const exposureAt = async (compression: number) =>
    (await buildSpec({ actor: 'ann' }, { compression, unusedName })).gates;
  expect(await exposureAt(60)).toMatchObject({ userWindowMs: 60_000, longestCallMs: 10_000 });
  expect(await exposureAt(86_400)).toMatchObject({ userWindowMs: 1_000, longestCallMs: 5_000 });
});

it('a compressed plan asks for as many users', async () => {
  const step = { percent: 10, nominalEndMs: 3_600_000, minimumBakeMs: 0, minimumUsers: 500 };
  const spec = await buildSpec({ actor: 'ann', steps: [step] }, { compression: 60, unusedName });
  expect(spec.steps).toEqual([{ ...step, nominalEndMs: 60_000 }]);
});

it('data may be as old as three of its own intervals, unless the draft sets the limit', async () => {
  const draft = { actor: 'ann', intervalMs: 3_600_000 };
  expect((await buildSpec(draft, { unusedName })).gates.freshnessMs).toBe(3 * 3_600_000);
  const strict = { ...draft, gates: { freshnessMs: 60_000 } };
  expect((await buildSpec(strict, { unusedName })).gates.freshnessMs).toBe(60_000);
});

it('an invalid rollout is refused with the name of the field', async () => {
  const draft = { actor: 'ann', baselineArm: 'holysheep' };
  await expect(buildSpec(draft, { unusedName })).rejects.toMatchObject({
    code: 'invalid-input',
    message: 'canaryArm must be a different arm from baselineArm (holysheep)',
  });
});

describe('a compressed plan', () => {
  it.each([2, 7, 300, 3600, 86_400])('is a valid plan when divided by %d', async (compression) => {
    for (const plan of ['72h', 'guide'] as const) {
      const spec = await buildSpec({ plan, actor: 'ann' }, { compression, unusedName });
      expect(rolloutSpecProblem(spec)).toBeNull();
      const whole = await buildSpec({ plan, actor: 'ann' }, { unusedName });
      expect(spec.steps.at(-1)?.nominalEndMs).toBeCloseTo((whole.steps.at(-1)?.nominalEndMs ?? 0) / compression, -1);
    }
  });
});

it('a longest call that is shorter than a turn may take is warned of', async () => {
  const problemWith = async (gates: object) =>
    shortLongestCall(await buildSpec({ actor: 'ann', gates }, { unusedName }), 180_000);
  expect(await problemWith({ longestCallMs: 60_000 })).toMatch(
    /^gates\.longestCall is 1 min, but a turn may take 3 min \(retry\.turnDeadlineMs\): /,
  );
  expect(await problemWith({ longestCallMs: 180_000 })).toBeNull();
  expect(await problemWith({})).toBeNull();
});
