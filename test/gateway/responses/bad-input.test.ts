import { limits } from '../../../src/contract/limits';
import type { ResponseObject } from '../../../src/gateway/responses/response-object';
import { type ScriptedProvider, startScriptedProvider } from '../../support/scripted-provider';
import { unique } from '../../support/temporal';
import { type ErrorAnswer, type GatewayService, oneAttempt, startGatewayService } from '../gateway-service';

let provider: ScriptedProvider;
let setting: GatewayService;
beforeAll(async () => {
  provider = await startScriptedProvider();
  provider.answer({ pieces: ['One.'] });
  setting = await startGatewayService({
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
    configuration: { retry: oneAttempt },
  });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});

const many = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);
const question = { role: 'user', content: 'Where is my order?' };
const findOrder = { type: 'function', name: 'find_order' };
const call = { type: 'function_call', call_id: 'call_7', name: 'find_order', arguments: '{}' };
const result = { type: 'function_call_output', call_id: 'call_7', output: 'On its way.' };
const thoughts = { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] };
const plain = { model: 'bellwether', input: 'Where is my order?' };

const post = (body: unknown, headers?: Readonly<Record<string, string>>) =>
  setting.call('/v1/responses', body, headers);

async function create(changes: object = {}, headers?: Readonly<Record<string, string>>): Promise<ResponseObject> {
  const answer = await post({ ...plain, ...changes }, headers);
  if (answer.status !== 200) throw new Error(await answer.text());
  return (await answer.json()) as ResponseObject;
}

/** What the gateway says to a request; of one that it takes, the status alone. */
async function said(answer: Response) {
  const { error } = (await answer.json()) as Partial<ErrorAnswer>;
  return { status: answer.status, code: error?.code, param: error?.param, message: error?.message };
}

/** Each with the field that the error names. */
const wrong: readonly (readonly [param: string, changes: object])[] = [
  ...[undefined, 7, '', 'x'.repeat(limits.maxModelLength + 1)].map((model) => ['model', { model }] as const),
  ...[undefined, null, 7, {}, '', [], many(limits.maxMessages + 1, question)].map(
    (input) => ['input', { input }] as const,
  ),
  ['input', { input: many(100, { role: 'user', content: many(100, { type: 'input_text', text: 'a' }) }) }],
  ['input', { input: [{ type: 'reasoning', summary: many(5_000, 1) }] }],
  ['input', { input: [thoughts] }],
  ['input[0]', { input: [7] }],
  ['input[0].type', { input: [{ type: 'web_search_call', id: 'ws_1' }] }],
  ['input[0].type', { input: [{ content: 'a' }] }],
  ['input[1].role', { input: [question, { role: 'tool', content: 'a' }] }],
  ['input[0].content', { input: [{ role: 'user' }] }],
  ['input[0].content', { input: [{ role: 'user', content: [] }] }],
  ['input[0].content[0].type', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }],
  ['input[0].content[0].image_url', { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] }],
  [
    'input[0].content[0].image_url',
    { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'file:///a.png' }] }] },
  ],
  ['input[1].call_id', { input: [question, { ...call, call_id: '' }] }],
  ['input[1].name', { input: [question, { ...call, name: 7 }] }],
  ['input[1].arguments', { input: [question, { ...call, arguments: {} }] }],
  ['input[1].call_id', { input: [question, result] }],
  ['input[1].call_id', { input: [question, result, call] }],
  ['input[2].call_id', { input: [question, call, { ...result, call_id: 'call_8' }] }],
  ['input[2].output', { input: [question, call, { ...result, output: 7 }] }],
  ['input[1].summary', { input: [question, { type: 'reasoning', summary: 'Hm.' }] }],
  ['input[1].encrypted_content', { input: [question, { type: 'reasoning', encrypted_content: 7 }] }],
  ['input[0].id', { input: [{ type: 'item_reference', id: '' }] }],
  ['instructions', { instructions: 7 }],
  ...['', 7, 'x'.repeat(limits.maxIdLength + 1)].map(
    (id) => ['previous_response_id', { previous_response_id: id }] as const,
  ),
  ...['', ' ', 7, 'x'.repeat(limits.maxIdLength + 1)].map((id) => ['conversation', { conversation: id }] as const),
  ['conversation', { conversation: 'c', previous_response_id: 'resp_0' }],
  ['store', { conversation: 'c', store: false }],
  ['store', { background: true, store: false }],
  ['store', { store: 'no' }],
  ['stream', { stream: 'yes' }],
  ['background', { background: 1 }],
  ['tools', { tools: {} }],
  ['tools', { tools: many(limits.maxTools + 1, findOrder) }],
  ['tools[0].name', { tools: [{ type: 'function' }] }],
  ['tools[0].parameters', { tools: [{ ...findOrder, parameters: 'none' }] }],
  ['tools[1].type', { tools: [findOrder, { name: 'find_order' }] }],
  ['tool_choice', { tool_choice: 'always' }],
  ['tool_choice.type', { tools: [findOrder], tool_choice: { type: 'file_search' } }],
  ['tool_choice.name', { tools: [findOrder], tool_choice: { type: 'function' } }],
  ['parallel_tool_calls', { parallel_tool_calls: 'yes' }],
  ['max_tool_calls', { max_tool_calls: 0 }],
  ['text', { text: 'json' }],
  ['text.format.type', { text: { format: { type: 'grammar' } } }],
  ['text.format.schema', { text: { format: { type: 'json_schema', name: 'a' } } }],
  ['text.verbosity', { text: { verbosity: 'none' } }],
  ['reasoning', { reasoning: 'low' }],
  ['reasoning.effort', { reasoning: { effort: 7 } }],
  ['max_output_tokens', { max_output_tokens: 0 }],
  ['temperature', { temperature: 2.1 }],
  ['top_p', { top_p: -1 }],
  ['top_logprobs', { top_logprobs: 3 }],
  ['truncation', { truncation: 'some' }],
  ['include', { include: many(17, 'reasoning.encrypted_content') }],
  ['include[0]', { include: ['message.output_text.logprobs'] }],
  ['metadata', { metadata: 'a' }],
  ['metadata', { metadata: Object.fromEntries(many(17, 'a').map((value, index) => [`k${index}`, value])) }],
  ['metadata.a', { metadata: { a: 7 } }],
  ['metadata.a', { metadata: { a: 'x'.repeat(513) } }],
  ['metadata.session_id', { metadata: { session_id: ' ' } }],
  ['user', { user: 7 }],
  ['safety_identifier', { safety_identifier: 'x'.repeat(513) }],
  ['prompt_cache_key', { prompt_cache_key: 7 }],
  ['service_tier', { service_tier: 'priority' }],
  ['prompt', { prompt: { id: 'pmpt_1' } }],
  ['fallbacks', { fallbacks: many(limits.maxFallbacks + 1, 'bellwether') }],
];

test('a wrong value is refused before any model is called, by the name of its field', async () => {
  const calls = provider.asked.length;
  const answers = [];
  const expected = [];
  for (const [param, changes] of wrong) {
    const { status, param: named, message = '' } = await said(await post({ ...plain, ...changes }));
    const sent = JSON.stringify(changes).slice(0, 100);
    answers.push({ sent, status, param: named, isLong: message.length > 600 });
    expected.push({ sent, status: 400, param, isLong: false });
  }
  expect(answers).toEqual(expected);
  expect(provider.asked.length).toBe(calls);
});

test.each([
  'web_search',
  'web_search_preview',
  'file_search',
  'code_interpreter',
  'image_generation',
  'mcp',
  'computer_use_preview',
  'local_shell',
  'shell',
  'apply_patch',
  'custom',
])("OpenAI's own tool %s is refused by name, with what to do instead", async (type) => {
  const refused = await said(await post({ ...plain, tools: [findOrder, { type }] }));
  expect(refused).toMatchObject({ status: 400, code: 'invalid_value', param: 'tools[1].type' });
  expect(refused.message).toContain(`${type} is not offered; `);
});

test('a tool that nobody knows is refused in words of a bounded length', async () => {
  const { param, message } = await said(await post({ ...plain, tools: [{ type: 'x'.repeat(10_000) }] }));
  expect(param).toBe('tools[0].type');
  expect(message?.length).toBeLessThan(200);
});

test('thoughts that lead to nothing reach no model', async () => {
  await create({ input: [question, thoughts, { ...question, content: 'Well?' }] });
  expect(provider.asked.at(-1)?.messages).toEqual([question, { role: 'user', content: 'Well?' }]);
});

test('ids with NUL are ids like any others: unknown ones', async () => {
  const nul = 'resp_\0';
  expect(await said(await post({ ...plain, previous_response_id: nul }))).toMatchObject({
    status: 400,
    code: 'previous_response_not_found',
    param: 'previous_response_id',
  });
  const input = [question, { type: 'item_reference', id: 'msg_\0' }];
  expect(await said(await post({ ...plain, input }))).toMatchObject({
    status: 404,
    code: 'item_not_found',
    param: 'input[1].id',
  });
  for (const path of ['resp_%00', 'resp_', '%00', `resp_${'x'.repeat(90)}`]) {
    const answer = await setting.call(`/v1/responses/${path}`);
    expect(await said(answer)).toMatchObject({ status: 404, code: 'response_not_found' });
  }
  const named = await create({ conversation: 'a\0b', input: [{ ...question, id: 'msg_\0' }] });
  expect(named.conversation).toEqual({ id: 'a\0b' });
  const answered = { ...call, call_id: 'call_\0' };
  await create({ input: [question, answered, { ...result, call_id: 'call_\0' }] });
  expect(provider.asked.at(-1)?.messages).toMatchObject([{}, { tool_calls: [{ id: 'call_\0' }] }, {}]);
});

test('items of a deleted response cannot be referred to', async () => {
  const { id, output } = await create();
  const input = [question, { type: 'item_reference', id: output[0]?.id }, question];
  expect(await create({ input })).toMatchObject({ status: 'completed' });
  await deleted(id);
  expect(await said(await post({ ...plain, input }))).toMatchObject({ status: 404, code: 'item_not_found' });
});

test('references to more than a request may hold are refused before all of it is put together', async () => {
  provider.answer({ pieces: ['x'.repeat(400_000)] }, { pieces: ['One.'] });
  const { output } = await create();
  const input = [question, ...many(4, { type: 'item_reference', id: output[0]?.id })];
  const refused = await said(await post({ ...plain, input }));
  expect(refused).toMatchObject({ status: 400, param: 'input' });
  expect(refused.message).toContain('refers to items that are longer in all');
});

test('a request whose previous response was deleted since gets its first answer again, by its Idempotency-Key', async () => {
  const conversation = unique('conversation');
  for (const first of [{}, { conversation }]) {
    const { id } = await create(first);
    const headers = { 'idempotency-key': unique('key') };
    const next = { input: 'And now?', previous_response_id: id, metadata: { shop: '7' } };
    const answer = await create(next, headers);
    await deleted(id);
    const calls = provider.asked.length;
    expect(await create(next, headers)).toEqual(answer);
    expect(provider.asked.length).toBe(calls);
    for (const other of [
      { body: { ...next, input: 'Another?' }, headers },
      { body: next, headers: { 'idempotency-key': unique('key') } },
      { body: next, headers: {} },
    ]) {
      const refused = await said(await post({ ...plain, ...other.body }, other.headers));
      expect(refused).toMatchObject({ status: 400, code: 'previous_response_not_found' });
    }
  }
});

test('what GET says of a request is bounded: long settings are left out, and what is short stays', async () => {
  const metadata = Object.fromEntries(many(16, '\u{1F600}').map((value, index) => [`k${index}`, value.repeat(256)]));
  const long = { type: 'object', description: 'x'.repeat(20_000) };
  const cases = [
    [{ tools: [{ ...findOrder, parameters: long }] }, { tools: [], metadata: { shop: '7' }, instructions: 'Count.' }],
    [{ text: { format: { type: 'json_schema', name: 'a', schema: long } } }, { text: { format: { type: 'text' } } }],
    [{ instructions: 'y'.repeat(20_000) }, { instructions: '', metadata: { shop: '7' } }],
    [
      { metadata, instructions: 'y'.repeat(20_000) },
      { instructions: '', metadata: {} },
    ],
  ] as const;
  const conversation = unique('conversation');
  for (const [settings, kept] of cases) {
    const sent = { metadata: { shop: '7' }, instructions: 'Count.', conversation, ...settings };
    const created = await create(sent);
    expect(created).toMatchObject({ metadata: sent.metadata, instructions: sent.instructions });
    const found = (await (await setting.call(`/v1/responses/${created.id}`)).json()) as ResponseObject;
    expect(found).toMatchObject({ ...kept, conversation: { id: conversation }, output: created.output });
    const { output: _output, usage: _usage, bellwether: _facts, ...echo } = found;
    expect(Buffer.byteLength(JSON.stringify(echo))).toBeLessThan(17 * 1024);
  }
});

async function deleted(id: string): Promise<void> {
  const answer = await fetch(`${setting.gateway.url}/v1/responses/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${setting.key}` },
  });
  expect(answer.status).toBe(200);
}
