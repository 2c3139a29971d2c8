import { whileMoving } from '../../src/local/demo/patience';

/** Five checks without a change are a standstill. */
const watch = { standstillMs: 5, lookEveryMs: 1 };

const never = new Promise<never>(() => undefined);

/** Work that is done after this many checks. */
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

test('a step may take as long as it makes progress, however slowly', async () => {
  const { work, look } = doneAfter(100);
  // Every fourth check finds a change.
  await expect(whileMoving(work, { turns: () => Math.floor(look() / 4) }, watch)).resolves.toBe('done');
});

test('a step without progress is aborted even if another one makes progress, and the error names it', async () => {
  let turns = 0;
  const signs = { turns: () => (turns += 1), 'decisions of the rollout': () => 'the same' };
  await expect(whileMoving(never, signs, watch)).rejects.toThrow(/^No progress for .*: decisions of the rollout\. /);
});

test('an unreadable sign of progress ends the wait', async () => {
  const signs = { turns: () => Promise.reject(new Error('The ledger is closed.')) };
  await expect(whileMoving(never, signs, watch)).rejects.toThrow('The ledger is closed.');
});

test('a failing step ends the wait', async () => {
  const failing = Promise.reject(new Error('The worker ended.'));
  await expect(whileMoving(failing, { turns: () => 0 }, watch)).rejects.toThrow('The worker ended.');
});
