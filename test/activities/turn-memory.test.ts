import { TurnMemory } from '../../src/activities/turn-memory';

const answer = (text: string) => () => Promise.resolve({ text });
const never = () => Promise.reject(new Error('It was done again.'));

afterEach(() => void jest.useRealTimers());

test('a step that comes again joins the running one', async () => {
  const memory = new TurnMemory();
  let finish!: (result: string) => void;
  const running = memory.once('step', () => new Promise<string>((resolve) => (finish = resolve)));
  const joined = memory.once('step', never);
  finish('done');
  await expect(Promise.all([running, joined])).resolves.toEqual(['done', 'done']);
});

test('a step that comes again minutes after it finished takes the finished answer', async () => {
  jest.useFakeTimers();
  const memory = new TurnMemory();
  await memory.once('step', answer('bought'));
  await jest.advanceTimersByTimeAsync(20 * 60_000);
  await expect(memory.once('step', never)).resolves.toEqual({ text: 'bought' });
});

test('a step that failed is done again', async () => {
  const memory = new TurnMemory();
  await expect(memory.once('step', never)).rejects.toThrow('It was done again.');
  await expect(memory.once('step', answer('second'))).resolves.toEqual({ text: 'second' });
});

test('finished answers take no more memory than they may, and the one that was asked for longest ago goes first', async () => {
  const memory = new TurnMemory(1_000);
  for (const name of ['a', 'b', 'c']) await memory.once(name, answer(name.repeat(300)));
  await memory.once('a', never);
  await memory.once('d', answer('d'.repeat(300)));
  await expect(memory.once('a', never)).resolves.toMatchObject({ text: 'a'.repeat(300) });
  await expect(memory.once('b', answer('again'))).resolves.toEqual({ text: 'again' });
});

test('an answer that is larger than all that may be kept is given all the same', async () => {
  const memory = new TurnMemory(100);
  await expect(memory.once('large', answer('x'.repeat(300)))).resolves.toEqual({ text: 'x'.repeat(300) });
  await expect(memory.once('large', answer('again'))).resolves.toEqual({ text: 'again' });
});

test('a ticket is taken once', () => {
  const memory = new TurnMemory();
  expect([memory.takeTicket('t in s', 1), memory.takeTicket('t in s', 1), memory.takeTicket('t in s', 2)]).toEqual([
    true,
    false,
    true,
  ]);
});
