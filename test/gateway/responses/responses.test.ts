import OpenAI, { type APIError } from 'openai';
import type { ResponseInputItem } from 'openai/resources/responses/responses';
import { responseSchema } from '../../../src/gateway/responses/response-object';
import { type ScriptedProvider, startScriptedProvider } from '../../support/scripted-provider';
import { unique } from '../../support/temporal';
import { type ErrorAnswer, type GatewayService, oneAttempt, startGatewayService } from '../gateway-service';

let provider: ScriptedProvider;
let setting: GatewayService;
let client: OpenAI;
beforeAll(async () => {
  provider = await startScriptedProvider();
  setting = await startGatewayService({
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
    configuration: { retry: oneAttempt },
  });
  client = connect(setting.key);
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});

function connect(apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey });
}

const model = 'bellwether';

/** The messages of the last call, as the model saw them. */
function seen() {
  return provider.asked.at(-1)?.messages;
}

const findOrder = {
  type: 'function' as const,
  name: 'find_order',
  description: 'Finds an order.',
  parameters: { type: 'object', properties: { id: { type: 'integer' } } },
  strict: false,
};
const calling = {
  pieces: [''],
  thoughts: 'The order is needed.',
  finishReason: 'tool_calls',
  toolCalls: [{ index: 0, id: 'call_7', type: 'function', function: { name: 'find_order', arguments: '{"id":7}' } }],
};

async function refused(request: Promise<unknown>): Promise<Pick<APIError, 'status' | 'code' | 'param'>> {
  const error = (await request.then(
    () => {
      throw new Error('The request was not refused.');
    },
    (reason: unknown) => reason,
  )) as APIError;
  return { status: error.status, code: error.code, param: error.param };
}

test('a text is answered, with its instructions and settings in the words of models', async () => {
  provider.answer({ pieces: ['It is ', 'on its way.'] });
  const response = await client.responses.create({
    model,
    instructions: 'You work in a shop.',
    input: 'Where is my order?',
    max_output_tokens: 50,
    metadata: { shop: '7' },
    reasoning: { effort: 'low' },
    text: {
      verbosity: 'low',
      format: { type: 'json_schema', name: 'answer', schema: { type: 'object' }, strict: true },
    },
    user: 'customer-7',
  });
  expect(response).toMatchObject({
    status: 'completed',
    output_text: 'It is on its way.',
    instructions: 'You work in a shop.',
    metadata: { shop: '7' },
    max_output_tokens: 50,
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  });
  const { output_text: _text, _request_id: _id, ...object } = response as typeof response & { _request_id?: string };
  expect(responseSchema.parse(object)).toEqual(object);
  expect(provider.asked.at(-1)).toMatchObject({
    messages: [
      { role: 'system', content: 'You work in a shop.' },
      { role: 'user', content: 'Where is my order?' },
    ],
    max_tokens: 50,
    reasoning_effort: 'low',
    verbosity: 'low',
    response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' }, strict: true } },
  });
});

test('tools, thoughts and results go through as items, by hand and by reference', async () => {
  provider.answer(calling, { pieces: ['It is on its way.'] });
  const question: ResponseInputItem = { role: 'user', content: 'Where is order 7?' };
  const called = await client.responses.create({
    model,
    input: [question],
    tools: [findOrder],
    tool_choice: 'required',
  });
  expect(provider.asked.at(-1)).toMatchObject({
    tools: [{ type: 'function', function: { name: 'find_order', strict: false } }],
    tool_choice: 'required',
  });
  expect(called.output).toMatchObject([
    { type: 'reasoning', summary: [{ text: 'The order is needed.' }] },
    { type: 'function_call', call_id: 'call_7', name: 'find_order', arguments: '{"id":7}' },
  ]);
  const result: ResponseInputItem = { type: 'function_call_output', call_id: 'call_7', output: 'It left on Monday.' };
  const references = called.output.map(({ id }) => ({ type: 'item_reference' as const, id: id ?? '' }));
  const expected = [
    question,
    {
      role: 'assistant',
      reasoning_content: 'The order is needed.',
      tool_calls: [{ id: 'call_7', function: { name: 'find_order', arguments: '{"id":7}' } }],
    },
    { role: 'tool', tool_call_id: 'call_7', content: 'It left on Monday.' },
  ];
  for (const between of [called.output as ResponseInputItem[], references]) {
    const answered = await client.responses.create({
      model,
      input: [question, ...between, result],
      tools: [findOrder],
    });
    expect(answered.output_text).toBe('It is on its way.');
    expect(seen()).toMatchObject(expected);
  }
  await client.responses.create({ model, previous_response_id: called.id, input: [result], tools: [findOrder] });
  expect(seen()).toMatchObject(expected);
});

test('a response is continued, more than once, and without its instructions', async () => {
  provider.answer({ pieces: ['One.'] }, { pieces: ['Two.'] }, { pieces: ['Other two.'] }, { pieces: ['Three.'] });
  const first = await client.responses.create({ model, instructions: 'Count.', input: 'a' });
  const second = await client.responses.create({ model, previous_response_id: first.id, input: 'b' });
  await client.responses.create({ model, previous_response_id: first.id, input: 'c' });
  expect(seen()).toMatchObject([{ content: 'a' }, { content: 'One.' }, { content: 'c' }]);
  await client.responses.create({ model, previous_response_id: second.id, input: 'd', instructions: 'Go on.' });
  expect(seen()).toMatchObject([
    { role: 'system', content: 'Go on.' },
    { content: 'a' },
    { content: 'One.' },
    { content: 'b' },
    { content: 'Two.' },
    { content: 'd' },
  ]);
});

test('what a previous response says came before wins over the session that metadata name', async () => {
  const metadata = { session_id: unique('session') };
  provider.answer({ pieces: ['One.'] }, { pieces: ['Two.'] }, { pieces: ['Three.'] });
  const first = await client.responses.create({ model, input: 'a' });
  await client.responses.create({ model, input: 'b', metadata });
  await client.responses.create({ model, previous_response_id: first.id, input: 'c', metadata });
  expect(seen()).toMatchObject([{ content: 'a' }, { content: 'One.' }, { content: 'c' }]);
});

test('a conversation remembers its turns, and a response of it is continued where it stood', async () => {
  const conversation = unique('conversation');
  provider.answer({ pieces: ['One.'] }, { pieces: ['Two.'] }, { pieces: ['Other two.'] });
  const first = await client.responses.create({ model, conversation, input: 'a', instructions: 'Count.' });
  expect(first.conversation).toEqual({ id: conversation });
  await client.responses.create({ model, conversation: { id: conversation }, input: 'b' });
  expect(seen()).toMatchObject([{ content: 'a' }, { content: 'One.' }, { content: 'b' }]);
  await client.responses.create({ model, previous_response_id: first.id, input: 'c', instructions: 'Go on.' });
  expect(seen()).toMatchObject([
    { role: 'system', content: 'Go on.' },
    { content: 'a' },
    { content: 'One.' },
    { content: 'c' },
  ]);
});

test('a conversation goes on behind a response of it that was continued', async () => {
  const conversation = unique('conversation');
  provider.answer({ pieces: ['One.'] }, { pieces: ['Two.'] }, { pieces: ['Other two.'] }, { pieces: ['Three.'] });
  const first = await client.responses.create({ model, conversation, input: 'a' });
  await client.responses.create({ model, conversation, input: 'b' });
  await client.responses.create({ model, previous_response_id: first.id, input: 'c' });
  await client.responses.create({ model, conversation, input: 'd' });
  expect(seen()?.map(({ content }) => content)).toEqual(['a', 'One.', 'c', 'Other two.', 'd']);
});

test('what an ended conversation no longer remembers is refused, and not left out', async () => {
  const conversation = unique('conversation');
  provider.answer({ pieces: ['One.'] });
  const first = await client.responses.create({ model, conversation, input: 'a' });
  const { temporal } = setting.service;
  const id = `conversation/${setting.key.split('_')[1]}.${conversation}`;
  await temporal.workflow.getHandle(id).terminate('as after a day without a message');
  const continuing = client.responses.create({ model, previous_response_id: first.id, input: 'b' });
  expect(await refused(continuing)).toEqual({
    status: 400,
    code: 'previous_response_not_found',
    param: 'previous_response_id',
  });
});

test('what was not stored, and what is of another key, cannot be continued or referred to', async () => {
  provider.answer({ pieces: ['One.'] });
  const unstored = await client.responses.create({ model, input: 'a', store: false });
  const stored = await client.responses.create({ model, input: 'a' });
  const stranger = connect(await setting.createKey());
  const cases = [
    [client, unstored.id],
    [stranger, stored.id],
    [client, 'resp_0'],
    [client, 'resp_\0'],
    [client, stored.id.replace('resp', 'msg')],
  ] as const;
  for (const [asking, id] of cases) {
    const request = asking.responses.create({ model, input: 'b', previous_response_id: id });
    expect(await refused(request)).toMatchObject({ status: 400, code: 'previous_response_not_found' });
    const item = { type: 'item_reference' as const, id: id.replace('resp', 'msg') };
    if (asking === client && id === stored.id.replace('resp', 'msg')) continue;
    const referring = asking.responses.create({ model, input: [{ role: 'user', content: 'b' }, item] });
    expect(await refused(referring)).toMatchObject({ status: 404, code: 'item_not_found', param: 'input[1].id' });
  }
});

test('the same Idempotency-Key gets the same bytes, and another request is refused', async () => {
  provider.answer({ pieces: ['One.'] }, { pieces: ['Two.'] });
  const headers = { 'idempotency-key': unique('key') };
  const body = { model, input: 'a', metadata: { shop: '7' } };
  const first = await setting.call('/v1/responses', body, headers);
  const again = await setting.call('/responses', body, headers);
  expect(await again.text()).toBe(await first.text());
  const other = await setting.call('/v1/responses', { ...body, metadata: { shop: '8' } }, headers);
  expect([other.status, ((await other.json()) as ErrorAnswer).error.code]).toEqual([422, 'idempotency_key_reused']);
});

test('pictures reach the model, beside their text', async () => {
  provider.answer({ pieces: ['A dot.'] });
  const url = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA';
  const content = [
    { type: 'input_text' as const, text: 'What is it?' },
    { type: 'input_image' as const, image_url: url, detail: 'low' as const },
  ];
  const first = await client.responses.create({ model, input: [{ role: 'user', content }] });
  await client.responses.create({ model, previous_response_id: first.id, input: 'And now?' });
  expect(seen()).toMatchObject([
    {
      content: [
        { type: 'text', text: 'What is it?' },
        { type: 'image_url', image_url: { url, detail: 'low' } },
      ],
    },
    { content: 'A dot.' },
    { content: 'And now?' },
  ]);
});

test('a response is there until it is deleted, for its key alone', async () => {
  provider.answer({ pieces: ['One.'] });
  const created = await client.responses.create({ model, input: 'a', instructions: 'Count.', tools: [findOrder] });
  expect(await client.responses.retrieve(created.id)).toEqual(created);
  const stranger = connect(await setting.createKey());
  const missing = { status: 404, code: 'response_not_found' };
  expect(await refused(stranger.responses.retrieve(created.id))).toMatchObject(missing);
  expect(await refused(stranger.responses.delete(created.id))).toMatchObject(missing);
  await client.responses.delete(created.id);
  expect(await refused(client.responses.retrieve(created.id))).toMatchObject(missing);
  expect(await refused(client.responses.delete(created.id))).toMatchObject(missing);
  const continuing = client.responses.create({ model, input: 'b', previous_response_id: created.id });
  expect(await refused(continuing)).toMatchObject({ status: 400, code: 'previous_response_not_found' });
  const kept = await setting.service.ledger.requests.find(created.id.slice('resp_'.length));
  expect(kept).toMatchObject({ outcome: 'answered', response: 'deleted' });
});
