/** What a call asks of a target, as a server that is strict about it gets it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { presetOf } from '../../src/config/model-presets';
import type { RequestRules } from '../../src/contract/policy';
import type { CompletionRequest, Provider } from '../../src/contract/provider';
import { createProvider } from '../../src/providers/openai-compatible';

type Body = Readonly<Record<string, unknown>>;

let server: Server;
let provider: Provider;
let received: Body;
/** Why the server refuses a body; null: it does not. */
let refuses: (body: Body) => string | null = () => null;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received = JSON.parse(Buffer.concat(chunks).toString()) as Body;
      const refusal = refuses(received);
      const answer = {
        choices: [{ message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 3, completion_tokens: 2 },
      };
      response.writeHead(refusal === null ? 200 : 400, { 'content-type': 'application/json' });
      response.end(JSON.stringify(refusal === null ? answer : { error: { message: refusal } }));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  provider = createProvider({
    name: 'strict',
    baseUrl: `http://127.0.0.1:${port}/v1`,
    readApiKey: () => 'sk-strict',
    maxConnections: 2,
    maxResponseBytes: 100_000,
  });
});
afterAll(async () => {
  await provider.close();
  await new Promise((resolve) => {
    server.close(resolve);
  });
});
beforeEach(() => {
  refuses = () => null;
});

async function ask(rules: RequestRules | undefined, changes: Partial<CompletionRequest> = {}) {
  return provider.complete({
    model: 'm',
    messages: [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: 'Is it?' },
    ],
    maxTokens: 100,
    requestId: 't.1',
    timeoutMs: 60_000,
    rules,
    ...changes,
  });
}

const none: RequestRules = { omit: [], rename: {}, exclusive: [], developer: 'developer' };

test('a request has nothing that was not asked for, but its limit', async () => {
  await ask(none);
  expect(received).toEqual({
    model: 'm',
    messages: [
      { role: 'developer', content: 'Be brief.' },
      { role: 'user', content: 'Is it?' },
    ],
    max_tokens: 100,
  });
});

test('a target gets no field that it refuses, and the others under the names that it knows', async () => {
  const rules: RequestRules = {
    omit: ['temperature', 'seed'],
    rename: { max_tokens: 'max_completion_tokens', top_k: 'topK' },
    exclusive: [],
    developer: 'system',
  };
  await ask(rules, { temperature: 0.5, options: { seed: 4, top_k: 10, stop: ['.'] } });
  expect(received).toEqual({
    model: 'm',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Is it?' },
    ],
    stop: ['.'],
    max_completion_tokens: 100,
    topK: 10,
  });
});

test.each([
  ['mistral-large', false],
  ['gpt-4.1', false],
  ['anthropic/claude-sonnet-4.5', true],
])('%s gets marks of what is to be cached: %s', async (model, isMarked) => {
  const cached = { cache_control: { type: 'ephemeral' } };
  const messages = (mark: object) => [
    { role: 'user' as const, content: [{ type: 'text' as const, text: 'Is it?', ...mark }] },
  ];
  const tools = (mark: object) => [{ type: 'function', function: { name: 'find' }, ...mark }];
  await ask(none, { model, messages: messages(cached), options: { tools: tools(cached) } });
  const mark = isMarked ? cached : {};
  expect(received).toEqual({ model, messages: messages(mark), tools: tools(mark), max_tokens: 100 });
});

test('of fields that exclude each other, the first one that the request has is sent', async () => {
  const rules = { ...none, exclusive: [['temperature', 'top_p', 'top_k']] };
  await ask(rules, { temperature: 0.5, options: { top_p: 0.9, top_k: 3 } });
  expect(received).toMatchObject({ temperature: 0.5 });
  expect(received).not.toHaveProperty('top_p');
  await ask(rules, { options: { top_p: 0.9, top_k: 3 } });
  expect(received).toMatchObject({ top_p: 0.9 });
  expect(received).not.toHaveProperty('top_k');
});

test('no option gets past the limit under another name', async () => {
  const rules = { ...none, rename: { max_tokens: 'max_output_tokens' } };
  await ask(rules, { options: { max_tokens: 9_000, max_completion_tokens: 9_000, max_output_tokens: 9_000, n: 5 } });
  expect(received).toMatchObject({ max_output_tokens: 100 });
  expect(Object.keys(received).toSorted()).toEqual(['max_output_tokens', 'messages', 'model']);
});

test.each([
  'max_output_tokens',
  'maxOutputTokens',
  'max_new_tokens',
  'max_completion_tokens',
  'num_predict',
  'n_predict',
  'n',
  'num_return_sequences',
  'candidate_count',
  'service_tier',
  'speed',
  'models',
  'options',
  'parameters',
  'generation_config',
  'generationConfig',
])('an option %s goes to no provider: it could raise the cost', async (field) => {
  await ask(none, { options: { [field]: { max_tokens: 9_000, num_predict: 9_000 }, seed: 1 } });
  expect(Object.keys(received).toSorted()).toEqual(['max_tokens', 'messages', 'model', 'seed']);
});

test('of an extra_body, only what Gemini is told about its thinking goes to a provider', async () => {
  const google = { thinking_config: { thinking_budget: 512 }, cached_content: 'c' };
  await ask(none, { options: { extra_body: { max_tokens: 100_000, n: 5, tools: [{ google_search: {} }], google } } });
  expect(received).toMatchObject({ max_tokens: 100 });
  expect(received['extra_body']).toEqual({ google: { thinking_config: { thinking_budget: 512 } } });
  await ask(none, { options: { extra_body: { max_tokens: 100_000 } } });
  expect(received).not.toHaveProperty('extra_body');
});

/** Refuses what OpenAI's models that think refuse. */
function asReasoning(body: Body): string | null {
  if ('max_tokens' in body) return "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
  const tuning = ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'].find((field) => field in body);
  return tuning === undefined ? null : `Unsupported value: '${tuning}' is not supported with this model.`;
}

function asClaude(body: Body): string | null {
  if ('temperature' in body && 'top_p' in body) return '`temperature` and `top_p` cannot both be specified.';
  return refusesDeveloper(body);
}

function refusesDeveloper({ messages }: Body): string | null {
  const hasDeveloper = (messages as { role: string }[]).some(({ role }) => role === 'developer');
  return hasDeveloper ? 'messages[0].role: unknown variant `developer`' : null;
}

test.each<[string, (body: Body) => string | null]>([
  ['o1', asReasoning],
  ['o3-mini', asReasoning],
  ['openai/o4-mini', asReasoning],
  ['gpt-5', asReasoning],
  ['openrouter/openai/gpt-5.2-mini', asReasoning],
  ['claude-sonnet-4.5', asClaude],
  ['anthropic/claude-opus-4-1-20250805', asClaude],
  ['us.anthropic.claude-haiku-4-5-20251001-v1:0', asClaude],
  ['deepseek-v3.2', refusesDeveloper],
  ['gemini-2.5-flash', refusesDeveloper],
  ['llama3:8b', refusesDeveloper],
])('%s is asked as it takes it, whatever an application sends with each request', async (model, refuse) => {
  refuses = refuse;
  const options = { top_p: 0.9, presence_penalty: 0, frequency_penalty: 0 };
  const result = await ask(presetOf(model), { model, temperature: 0.7, options });
  expect(result).toMatchObject({ kind: 'completed', content: 'Yes.' });
  expect(received).toMatchObject({ model });
});

test.each([
  ['gpt-4.1', { temperature: 0.7, max_tokens: 100 }],
  ['gpt-4o-mini', { temperature: 0.7, max_tokens: 100 }],
  ['gpt-5-chat-latest', { temperature: 0.7, max_completion_tokens: 100 }],
  ['claude-sonnet-4-20250514', { temperature: 0.7, top_p: 0.9, max_tokens: 100 }],
  ['claude-3-5-sonnet-20241022', { temperature: 0.7, top_p: 0.9, max_tokens: 100 }],
  ['deepseek-v3.2', { temperature: 0.7, top_p: 0.9, max_tokens: 100 }],
])('%s gets all that it takes', async (model, fields) => {
  await ask(presetOf(model), { model, temperature: 0.7, options: { top_p: 0.9 } });
  expect(received).toMatchObject(fields);
});

test.each([
  ['deepseek-v3.2', 0, 32_768],
  ['unknown', 0, 32_768],
  ['gpt-4.1', 0, null],
  ['claude-sonnet-4.5', 0, null],
  ['claude-3-7-sonnet-thinking', 0, null],
  ['o3', 0, null],
  ['qwen3-coder-plus', 0, null],
  ['grok-4-fast-non-reasoning', 0, null],
  ['gemini-2.5-flash', 0, null],
  ['google/gemini-2.5-pro', 0, null],
  ['gemini-3-flash-preview', 0, null],
  ['deepseek-reasoner', 32_768, 32_768],
  ['deepseek/deepseek-r1', 32_768, 32_768],
  ['deepseek-r1:14b', 32_768, 32_768],
  ['kimi-k2-thinking', 32_768, 32_768],
  ['sonar-reasoning-pro', 32_768, 32_768],
  ['qwen3-235b-a22b', 81_920, 81_920],
  ['qwen3.5-plus', 81_920, 81_920],
  ['qwen3-max-thinking', 81_920, 81_920],
  ['qwen-plus', 0, 81_920],
  ['qwen-turbo', 0, 81_920],
  ['qwen3-max', 0, 81_920],
])('%s thinks up to %i tokens beyond its limit, and %p when asked', (model, maxThinkingTokens, askedThinkingTokens) => {
  expect(presetOf(model)).toMatchObject({ maxThinkingTokens, askedThinkingTokens });
});
