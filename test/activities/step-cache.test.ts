import { StepCache } from '../../src/activities/step-cache';

const minuteMs = 60_000;
const answer = (text: string) => () => Promise.resolve({ text });
const forAnHour = () => 60 * minuteMs;
const never = () => Promise.reject<{ text: string }>(new Error('It was done again.'));

afterEach(() => void jest.useRealTimers());

test('a step that comes again joins the running one', async () => {
  const steps = new StepCache();
  let finish!: (result: { text: string }) => void;
  const running = steps.once('step', forAnHour, () => new Promise<{ text: string }>((resolve) => (finish = resolve)));
  const joined = steps.once('step', forAnHour, never);
  finish({ text: 'done' });
  await expect(Promise.all([running, joined])).resolves.toEqual([{ text: 'done' }, { text: 'done' }]);
});

test('a step that comes again within the time that its result is kept takes that, and later it is done again', async () => {
  jest.useFakeTimers();
  // A clock at zero is none to the cache.
  await jest.advanceTimersByTimeAsync(minuteMs);
  const steps = new StepCache();
  await steps.once('step', forAnHour, answer('bought'));
  await jest.advanceTimersByTimeAsync(59 * minuteMs);
  await expect(steps.once('step', forAnHour, never)).resolves.toEqual({ text: 'bought' });
  await jest.advanceTimersByTimeAsync(2 * minuteMs);
  await expect(steps.once('step', forAnHour, answer('again'))).resolves.toEqual({ text: 'again' });
});

test('a result that is not to be kept is not kept', async () => {
  const steps = new StepCache();
  await steps.once('step', () => -1, answer('first'));
  await expect(steps.once('step', forAnHour, answer('second'))).resolves.toEqual({ text: 'second' });
});

test('a step that failed is done again', async () => {
  const steps = new StepCache();
  await expect(steps.once('step', forAnHour, never)).rejects.toThrow('It was done again.');
  await expect(steps.once('step', forAnHour, answer('second'))).resolves.toEqual({ text: 'second' });
});

test('finished answers take no more memory than they may, and the least recently used goes first', async () => {
  const steps = new StepCache(1_000);
  for (const name of ['a', 'b', 'c']) await steps.once(name, forAnHour, answer(name.repeat(300)));
  await steps.once('a', forAnHour, never);
  await steps.once('d', forAnHour, answer('d'.repeat(300)));
  await expect(steps.once('a', forAnHour, never)).resolves.toEqual({ text: 'a'.repeat(300) });
  await expect(steps.once('b', forAnHour, answer('again'))).resolves.toEqual({ text: 'again' });
});

test('an answer that is larger than all that may be kept is given all the same', async () => {
  const steps = new StepCache(100);
  const large = { text: 'x'.repeat(300) };
  await expect(steps.once('large', forAnHour, () => Promise.resolve(large))).resolves.toEqual(large);
  await expect(steps.once('large', forAnHour, answer('again'))).resolves.toEqual({ text: 'again' });
});

test('a ticket is taken once', () => {
  const steps = new StepCache();
  const taken = [steps.takeTicket('t in s', 1), steps.takeTicket('t in s', 1), steps.takeTicket('t in s', 2)];
  expect(taken).toEqual([true, false, true]);
});
