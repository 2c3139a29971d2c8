import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readSpecFile } from '../../src/cli/rollout/spec-file';
import { specOf } from '../../src/cli/rollout/start';

const directory = mkdtempSync(path.join(tmpdir(), 'bellwether-specs-'));
afterAll(() => rmSync(directory, { recursive: true }));

type Flags = Omit<Parameters<typeof specOf>[0], 'file' | 'defaultActor'>;

async function refusalOf(flags: Flags, written?: string): Promise<string> {
  const name = path.join(directory, 'spec.yaml');
  if (written !== undefined) writeFileSync(name, written);
  try {
    const file = written === undefined ? undefined : readSpecFile(name);
    await specOf({ defaultActor: 'ann', file, ...flags }, () => Promise.resolve('november'));
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('It was taken.');
}

const asciiOnly = 'may hold visible ASCII characters only, without spaces';

it.each<[flags: Flags, said: string]>([
  [{ name: 'two words' }, `--name ${asciiOnly}`],
  [{ name: 'x'.repeat(201) }, '--name has 201 characters, the limit is 200'],
  [{ from: '' }, '--from must be a non-empty string'],
  [{ from: 'a b' }, `--from ${asciiOnly}`],
  [{ to: 'ä' }, `--to ${asciiOnly}`],
  [{ to: 'legacy' }, '--to must be a different arm from --from (legacy)'],
  [{ actor: '' }, '--actor must be a non-empty string'],
  [{ interval: 1 }, '--interval must be a duration from 100 ms to 8784 h, not 1 ms'],
  [{ interval: 367 * 24 * 3_600_000 }, '--interval must be a duration from 100 ms to 8784 h, not 8808 h'],
])('the error names the option: %j', async (flags, said) => {
  expect(await refusalOf(flags)).toBe(said);
});

it.each<[written: string, said: string]>([
  // What the values mean together or in the rollout.
  ['name: two words', `name ${asciiOnly}`],
  ['baselineArm: ""', 'baselineArm must be a non-empty string'],
  ['{ baselineArm: a, canaryArm: a }', 'canaryArm must be a different arm from baselineArm (a)'],
  ['canaryArm: legacy', 'canaryArm must be a different arm from --from (legacy)'],
  ['actor: ""', 'actor must be a non-empty string'],
  ['steps: []', 'steps must be a list of 1 to 50 steps'],
  [
    'steps: [{ percent: 101, nominalEnd: 1h, minimumBake: 1h }]',
    'steps[0].percent must be a whole number from 1 to 99, not 101; 100% follows after the last step',
  ],
  [
    'steps: [{ percent: 10, nominalEnd: 1h, minimumBake: 1h }, { percent: 10, nominalEnd: 2h, minimumBake: 1h }]',
    'steps[1].percent must be more than the 10% of the previous step, not 10',
  ],
  [
    'steps: [{ percent: 10, nominalEnd: 2h, minimumBake: 1h }, { percent: 20, nominalEnd: 1h, minimumBake: 1h }]',
    'steps[1].nominalEnd must be later than 2 h, when the step begins, not 1 h',
  ],
  [
    'steps: [{ percent: 10, nominalEnd: 1h, minimumBake: 2h }]',
    "steps[0].minimumBake must be at most 1 h, the step's length in the plan, not 2 h",
  ],
  ['interval: 1ms', 'interval must be a duration from 100 ms to 8784 h, not 1 ms'],
  ['warm: 400d', 'warm must be a duration from 0 s to 8784 h, not 9600 h'],
  ['gates: { alpha: "0%" }', 'gates.alpha must be a number between 0 and 1, not 0'],
  [
    'gates: { expectedSuccessRate: 0.5 }',
    'gates.expectedSuccessRate must be more than gates.minimumSuccessRate (0.99), not 0.5',
  ],
  ['gates: { minimumStepRequests: 0 }', 'gates.minimumStepRequests must be a whole number of at least 1, not 0'],
  ['gates: { freshness: 1ms }', 'gates.freshness must be a duration from 100 ms to 8784 h, not 1 ms'],
  [
    'gates: { maxLatencyPercent: 0 }',
    'gates.maxLatencyPercent must be a whole number of at least 1, not 0; null turns this guard off',
  ],
  [
    'gates: { maxCostUsdPerSuccess: 0 }',
    'gates.maxCostUsdPerSuccess must be more than 0, not 0; null turns this guard off',
  ],
  [
    'freezeWindows: [{ from: 2026-12-02T00:00:00Z, to: 2026-12-01T00:00:00Z }]',
    'freezeWindows[0] must begin before it ends',
  ],
  // What is written.
  ['7', 'spec.yaml: the file must be an object'],
  ['gates: { alfa: 0.1 }', 'spec.yaml: gates.alfa: is not a setting; check the spelling'],
  ['takeOver: maybe', 'spec.yaml: takeOver: must be a boolean'],
  ['plan: 71h', 'spec.yaml: plan: must be "72h" or "guide"'],
  [
    'steps: [{ percent: 10, nominalEnd: soon, minimumBake: 2h }]',
    'spec.yaml: steps[0].nominalEnd: must be a duration with a unit, like 18h, 30m or 5s',
  ],
  ['steps: [{ percent: 10, minimumBake: 2h }]', 'spec.yaml: steps[0].nominalEnd: is missing'],
  ['interval: 300', 'spec.yaml: interval: must be a duration with a unit, like 18h, 30m or 5s'],
  ['gates: { alpha: much }', 'spec.yaml: gates.alpha: must be a share, like 0.99 or "99%"'],
  [
    'gates: { maxCostUsdPerSuccess: lots }',
    'spec.yaml: gates.maxCostUsdPerSuccess: must be an amount in US dollars with at most 6 decimals, like 0.42 or "0.42"',
  ],
  [
    'freezeWindows: [{ from: tomorrow, to: 2026-12-01T00:00:00Z }]',
    'spec.yaml: freezeWindows[0].from: must be an ISO time with its zone, like 2026-11-27T00:00:00Z',
  ],
])('the error names the field of a file with %s', async (written, said) => {
  expect(await refusalOf({}, written)).toBe(said);
});
