import OpenAI from 'openai';
import { primaryModel } from '../../support/service';
import { type ErrorAnswer, type GatewayService, startGatewayService } from '../gateway-service';

let setting: GatewayService;
let client: OpenAI;
beforeAll(async () => {
  setting = await startGatewayService();
  client = new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key });
});
afterAll(() => setting.stop());
beforeEach(() => setting.service.simulator.clearCalls());

const asked = { model: 'bellwether', prompt: 'Where is my order?' };

test("OpenAI's client gets a text for a prompt, from one chat turn that the ledger has", async () => {
  const { data, response } = await client.completions.create(asked).withResponse();
  const turnId = response.headers.get('x-bellwether-turn-id') ?? '';
  expect(data).toMatchObject({
    id: `cmpl-${turnId}`,
    object: 'text_completion',
    model: primaryModel,
    choices: [{ index: 0, logprobs: null, finish_reason: 'stop', text: expect.stringMatching(/\w/) }],
  });
  const [call, ...others] = await setting.service.simulator.calls();
  expect(others).toEqual([]);
  expect(call).toMatchObject({ model: primaryModel });
  const [attempt] = await setting.service.ledger.attempts(turnId);
  expect(attempt).toMatchObject({ state: 'settled', promptTokens: data.usage?.prompt_tokens });
});

test('a stream has the same text in pieces, a reason at its end, and usage where it is asked for', async () => {
  const idempotencyKey = 'the same turn';
  const whole = await client.completions.create(asked, { idempotencyKey });
  const chunks = [];
  const streamed = { ...asked, stream: true, stream_options: { include_usage: true } } as const;
  for await (const chunk of await client.completions.create(streamed)) chunks.push(chunk);
  const texts = chunks.flatMap(({ choices }) => choices.map(({ text }) => text));
  expect(texts.length).toBeGreaterThan(2);
  expect(texts.join('')).toBe(whole.choices[0]?.text);
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: whole.usage?.total_tokens } });
});

test('the same Idempotency-Key gets the same bytes, for one call', async () => {
  const ask = async () =>
    (await setting.call('/v1/completions', { ...asked, prompt: [asked.prompt] }, { 'idempotency-key': 'once' })).text();
  expect(await ask()).toBe(await ask());
  expect(await setting.service.simulator.calls()).toHaveLength(1);
});

test.each<[string, string, unknown]>([
  ['two prompts', 'prompt', ['a', 'b']],
  ['tokens', 'prompt', [1, 2]],
  ['an empty prompt', 'prompt', ' '],
  ['a suffix', 'suffix', 'The end.'],
  ['an echo', 'echo', true],
  ['log probabilities', 'logprobs', 0],
  ['two texts', 'n', 2],
  ['the best of two', 'best_of', 2],
])('%s are refused by name, and no model is called', async (_, field, value) => {
  const response = await setting.call('/v1/completions', { ...asked, [field]: value });
  const { error } = (await response.json()) as ErrorAnswer;
  expect({ status: response.status, param: error.param }).toEqual({ status: 400, param: field });
  expect(error.message).toContain(field);
  expect(await setting.service.simulator.calls()).toEqual([]);
});
