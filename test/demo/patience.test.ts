import { whileMoving } from '../../src/local/demo/patience';

/** Five looks without a change are a standstill. */
const watch = { standstillMs: 5, lookEveryMs: 1 };

const never = new Promise<never>(() => undefined);

/** Work that is done once somebody has looked so often. */
function doneAfter(looks: number) {
  let count = 0;
  let finish = (): void => undefined;
  const work = new Promise<string>((resolve) => (finish = () => resolve('done')));
  const look = (): number => {
    count += 1;
    if (count === looks) finish();
    return count;
  };
  return { work, look };
}

test('work is waited for as long as something moves, however slowly', async () => {
  const { work, look } = doneAfter(100);
  // Every fourth look finds a change.
  await expect(whileMoving(work, { turns: () => Math.floor(look() / 4) }, watch)).resolves.toBe('done');
});

test('what stands still is not waited for, although something else moves, and the error names it', async () => {
  let turns = 0;
  const signs = { turns: () => (turns += 1), 'decisions of the rollout': () => 'the same' };
  await expect(whileMoving(never, signs, watch)).rejects.toThrow(/^Nothing has moved .*: decisions of the rollout\. /);
});

test('a sign that cannot be read ends the wait', async () => {
  const signs = { turns: () => Promise.reject(new Error('The ledger is closed.')) };
  await expect(whileMoving(never, signs, watch)).rejects.toThrow('The ledger is closed.');
});

test('work that fails is not waited for', async () => {
  const failing = Promise.reject(new Error('The worker ended.'));
  await expect(whileMoving(failing, { turns: () => 0 }, watch)).rejects.toThrow('The worker ended.');
});
