import { inWordsOf, specOf } from '../../src/cli/rollout/start';

const named = (): Promise<string> => Promise.resolve('november');
const refusal = 'baselineArm: is legacy, but traffic is at holysheep now. Begin at holysheep, or set takeOver.';

describe('a refusal to begin a rollout', () => {
  it('names options to who has typed options, or nothing', () => {
    const inOptions = '--from: is legacy, but traffic is at holysheep now. Begin at holysheep, or set --take-over.';
    expect(inWordsOf({ defaultActor: 'ann' }, refusal)).toBe(inOptions);
    expect(inWordsOf({ defaultActor: 'ann', from: 'legacy' }, refusal)).toBe(inOptions);
  });

  it('names the fields of a file to who wrote them there', () => {
    const file = { gates: {}, baselineArm: 'legacy', takeOver: false };
    expect(inWordsOf({ defaultActor: 'ann', file }, refusal)).toBe(refusal);
  });

  it('names the option that wins over the file', () => {
    const file = { gates: {}, baselineArm: 'other', takeOver: false };
    expect(inWordsOf({ defaultActor: 'ann', file, from: 'legacy' }, refusal)).toMatch(/^--from: is .* set takeOver\.$/);
  });
});

it.each([
  [{ to: 'legacy' }, '--to must be another arm than --from (legacy)'],
  [{ name: 'two words' }, '--name may hold visible ASCII characters only'],
  [{ actor: '' }, '--actor must be a non-empty string'],
  [{ interval: 1 }, '--interval must be a duration from 100 ms to 8784 h, not 1 ms'],
  [{ file: { gates: {}, intervalMs: 1 } }, 'interval must be a duration from 100 ms'],
  [{ file: { gates: { alpha: 0 } } }, 'gates.alpha must be a number between 0 and 1'],
])('a spec of %j is refused in the same words', async (input, message) => {
  await expect(specOf({ defaultActor: 'ann', ...input }, named)).rejects.toThrow(message);
});
