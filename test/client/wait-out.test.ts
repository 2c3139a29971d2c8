import { waitOut } from '../../src/client/wait-out';

class Passing extends Error {}
class Lasting extends Error {}

const isPassing = (error: unknown): boolean => error instanceof Passing;

/** A call that fails with each of `faults` in order, and then answers. */
function failing(...faults: readonly Error[]) {
  const left = [...faults];
  return jest.fn(async () => {
    const fault = left.shift();
    if (fault) throw fault;
    return 'answer';
  });
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

async function ended(waiting: Promise<unknown>): Promise<unknown> {
  const outcome = waiting.catch((error: unknown) => error);
  await jest.advanceTimersByTimeAsync(60_000);
  return outcome;
}

test('temporary faults are retried', async () => {
  const call = failing(...Array.from({ length: 8 }, () => new Passing()));
  expect(await ended(waitOut(call, { isPassing, deadlineAtMs: Date.now() + 60_000 }))).toBe('answer');
  expect(call).toHaveBeenCalledTimes(9);
});

test('a permanent fault is thrown at once', async () => {
  const call = failing(new Passing(), new Lasting());
  expect(await ended(waitOut(call, { isPassing, deadlineAtMs: Date.now() + 60_000 }))).toBeInstanceOf(Lasting);
  expect(call).toHaveBeenCalledTimes(2);
});

test('the last fault is thrown if the next try would be after the deadline', async () => {
  const faults = [new Passing('first'), new Passing('second'), new Passing('third')];
  // Tries start after 0, 50 and 250 ms.
  expect(await ended(waitOut(failing(...faults), { isPassing, deadlineAtMs: Date.now() + 250 }))).toBe(faults[1]);
  expect(await ended(waitOut(failing(...faults), { isPassing, deadlineAtMs: Date.now() + 251 }))).toBe(faults[2]);
});

test('an abort ends the wait at once and prevents another try', async () => {
  const waiting = new AbortController();
  const call = failing(new Passing());
  const answer = waitOut(call, { isPassing, deadlineAtMs: Date.now() + 60_000, signal: waiting.signal });
  await jest.advanceTimersByTimeAsync(10);
  waiting.abort(new Lasting('gone'));
  await expect(answer).rejects.toThrow('gone');
  await jest.advanceTimersByTimeAsync(60_000);
  expect(call).toHaveBeenCalledTimes(1);
});
