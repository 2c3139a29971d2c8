import { TurnMemory } from '../../src/activities/turn-memory';

const minuteMs = 60_000;
const answer = (text: string) => () => Promise.resolve({ text });
const forAnHour = () => 60 * minuteMs;
const never = () => Promise.reject<{ text: string }>(new Error('It was done again.'));

afterEach(() => void jest.useRealTimers());

test('a step that comes again joins the running one', async () => {
  const memory = new TurnMemory();
  let finish!: (result: { text: string }) => void;
  const running = memory.once('step', forAnHour, () => new Promise<{ text: string }>((resolve) => (finish = resolve)));
  const joined = memory.once('step', forAnHour, never);
  finish({ text: 'done' });
  await expect(Promise.all([running, joined])).resolves.toEqual([{ text: 'done' }, { text: 'done' }]);
});

test('a step that comes again within the time that its result is kept takes that, and later it is done again', async () => {
  jest.useFakeTimers();
  // A clock at zero is none to the cache.
  await jest.advanceTimersByTimeAsync(minuteMs);
  const memory = new TurnMemory();
  await memory.once('step', forAnHour, answer('bought'));
  await jest.advanceTimersByTimeAsync(59 * minuteMs);
  await expect(memory.once('step', forAnHour, never)).resolves.toEqual({ text: 'bought' });
  await jest.advanceTimersByTimeAsync(2 * minuteMs);
  await expect(memory.once('step', forAnHour, answer('again'))).resolves.toEqual({ text: 'again' });
});

test('a result that is not to be kept is not kept', async () => {
  const memory = new TurnMemory();
  await memory.once('step', () => -1, answer('first'));
  await expect(memory.once('step', forAnHour, answer('second'))).resolves.toEqual({ text: 'second' });
});

test('a step that failed is done again', async () => {
  const memory = new TurnMemory();
  await expect(memory.once('step', forAnHour, never)).rejects.toThrow('It was done again.');
  await expect(memory.once('step', forAnHour, answer('second'))).resolves.toEqual({ text: 'second' });
});

test('finished answers take no more memory than they may, and the least recently used goes first', async () => {
  const memory = new TurnMemory(1_000);
  for (const name of ['a', 'b', 'c']) await memory.once(name, forAnHour, answer(name.repeat(300)));
  await memory.once('a', forAnHour, never);
  await memory.once('d', forAnHour, answer('d'.repeat(300)));
  await expect(memory.once('a', forAnHour, never)).resolves.toEqual({ text: 'a'.repeat(300) });
  await expect(memory.once('b', forAnHour, answer('again'))).resolves.toEqual({ text: 'again' });
});

test('an answer that is larger than all that may be kept is given all the same', async () => {
  const memory = new TurnMemory(100);
  const large = { text: 'x'.repeat(300) };
  await expect(memory.once('large', forAnHour, () => Promise.resolve(large))).resolves.toEqual(large);
  await expect(memory.once('large', forAnHour, answer('again'))).resolves.toEqual({ text: 'again' });
});

test('a ticket is taken once', () => {
  const memory = new TurnMemory();
  const taken = [memory.takeTicket('t in s', 1), memory.takeTicket('t in s', 1), memory.takeTicket('t in s', 2)];
  expect(taken).toEqual([true, false, true]);
});
