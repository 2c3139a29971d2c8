import { Remembered } from '../../../src/operator/page/remembered';

const turnOfEventLoop = () => new Promise((resolve) => setImmediate(resolve));

describe('a remembered read', () => {
  let nowMs: number;
  let answers: ((value: string) => void)[];
  let remembered: Remembered<string>;
  beforeEach(async () => {
    nowMs = 1_000_000;
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    answers = [];
    remembered = new Remembered(5_000, () => new Promise((resolve) => answers.push(resolve)));
    const both = [remembered.get(), remembered.get()];
    await turnOfEventLoop();
    answers[0]?.('first');
    expect(await Promise.all(both)).toEqual(['first', 'first']);
  });
  afterEach(() => jest.restoreAllMocks());

  it('is not repeated before its time', async () => {
    nowMs += 4_999;
    expect(await remembered.get()).toBe('first');
    expect(answers).toHaveLength(1);
  });

  it('is the one before while it is read again, but for the one who asked first', async () => {
    nowMs += 5_000;
    const again = remembered.get();
    expect(await remembered.get()).toBe('first');
    await turnOfEventLoop();
    answers[1]?.('second');
    expect(await again).toBe('second');
    expect(await remembered.get()).toBe('second');
    expect(answers).toHaveLength(2);
  });

  it('is waited for by all if the one before is too old', async () => {
    nowMs += 20_000;
    const both = [remembered.get(), remembered.get()];
    await turnOfEventLoop();
    answers[1]?.('second');
    expect(await Promise.all(both)).toEqual(['second', 'second']);
  });
});
