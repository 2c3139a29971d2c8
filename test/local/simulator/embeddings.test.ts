import { startSimulator, type Simulator } from '../../../src/local/simulator/simulator';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ models: {} });
});
afterAll(() => simulator.close());

interface Answer {
  readonly data: readonly { readonly embedding: never }[];
  readonly usage: { readonly prompt_tokens: number };
}

async function embed(body: object): Promise<Answer> {
  const response = await fetch(`${simulator.baseUrl}/embeddings`, { method: 'POST', body: JSON.stringify(body) });
  return (await response.json()) as Answer;
}

test('the same text has the same vector of length 1, as numbers and in base64, and another text another one', async () => {
  const input = ['one', 'two'];
  const { data, usage } = await embed({ model: 'any', input, dimensions: 16 });
  const [one = [], two = []] = data.map(({ embedding }): number[] => embedding);
  expect(Math.hypot(...one)).toBeCloseTo(1, 5);
  expect(one).not.toEqual(two);
  const [inBase64] = (await embed({ model: 'any', input: 'one', dimensions: 16, encoding_format: 'base64' })).data;
  const bytes = Buffer.from(inBase64?.embedding ?? '', 'base64');
  expect(one.map((_, index) => bytes.readFloatLE(index * 4))).toEqual(one);
  expect(usage.prompt_tokens).toBe(2);
  expect(await simulator.calls()).toMatchObject([{ outcome: 'answered' }, { outcome: 'answered' }]);
});

test('what is no input is refused', async () => {
  expect(await embed({ model: 'any', input: [1.5] })).toMatchObject({ error: { message: expect.any(String) } });
});
