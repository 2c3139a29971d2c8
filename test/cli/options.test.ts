import { refusalInWordsOf, specOf } from '../../src/cli/rollout/start';
import type { Problem } from '../../src/contract/problem';

const named = (): Promise<string> => Promise.resolve('november');
const advice =
  'is legacy, but all traffic now goes to holysheep (the default arm), so all users would switch at once. Start from holysheep';
const refusal: Problem = { path: ['baselineArm'], code: 'traffic-elsewhere', message: advice };

describe('a refusal to start a rollout', () => {
  it('names options if the user gave options or nothing', () => {
    const inOptions = `--from: ${advice}, or use --take-over to move all users at once.`;
    expect(refusalInWordsOf({ defaultActor: 'ann' }, refusal)).toBe(inOptions);
    expect(refusalInWordsOf({ defaultActor: 'ann', from: 'legacy' }, refusal)).toBe(inOptions);
  });

  it('names fields of the file if the user set them there', () => {
    const file = { gates: {}, baselineArm: 'legacy', takeOver: false };
    const inFields = `baselineArm: ${advice}, or set takeOver to move all users at once.`;
    expect(refusalInWordsOf({ defaultActor: 'ann', file }, refusal)).toBe(inFields);
  });

  it('names the option that overrides the file', () => {
    const file = { gates: {}, baselineArm: 'other', takeOver: false };
    const input = { defaultActor: 'ann', file, from: 'legacy' };
    expect(refusalInWordsOf(input, refusal)).toMatch(/^--from: is .* set takeOver to move all users at once\.$/);
  });
});

it.each([
  [{ to: 'legacy' }, '--to must be a different arm from --from (legacy)'],
  [{ name: 'two words' }, '--name may hold visible ASCII characters only'],
  [{ actor: '' }, '--actor must be a non-empty string'],
  [{ interval: 1 }, '--interval must be a duration from 100 ms to 8784 h, not 1 ms'],
  [{ file: { gates: {}, intervalMs: 1 } }, 'interval must be a duration from 100 ms'],
  [{ file: { gates: { alpha: 0 } } }, 'gates.alpha must be a number between 0 and 1'],
])('a spec of %j is refused in the same terms', async (input, message) => {
  await expect(specOf({ defaultActor: 'ann', ...input }, named)).rejects.toThrow(message);
});
