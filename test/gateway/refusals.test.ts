import { connect } from 'node:net';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';

let setting: GatewayService;
beforeAll(async () => {
  // No worker runs: what is refused here is refused at the edge.
  setting = await startGatewayService({ worker: false });
});
afterAll(() => setting.stop());

async function refusal(response: Response): Promise<{ status: number } & ErrorAnswer['error']> {
  expect(response.headers.get('content-type')).toContain('application/json');
  expect(response.headers.get('x-request-id')).toBeTruthy();
  const { error } = (await response.json()) as ErrorAnswer;
  expect(Object.keys(error)).toEqual(expect.arrayContaining(['message', 'type', 'param', 'code']));
  return { status: response.status, ...error };
}

const user = hello.messages[0];
const tool = { type: 'function', function: { name: 'find_order' } };
const many = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value);
const wide = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 1]));

test.each<[string, unknown, string | null, string]>([
  ['no object', [], null, 'The body must be an object'],
  ['no model', { messages: [user] }, 'model', 'model is missing'],
  ['no messages', { model: 'bellwether' }, 'messages', 'messages is missing'],
  ['an empty list of messages', { ...hello, messages: [] }, 'messages', 'at least 1'],
  ['messages that are a text', { ...hello, messages: 'Hello' }, 'messages', 'must be a list'],
  [
    'an unknown role',
    { ...hello, messages: [user, { role: 'robot', content: 'x' }] },
    'messages[1].role',
    'must be one of system, developer, user',
  ],
  [
    'a content that is a number',
    { ...hello, messages: [{ role: 'user', content: 7 }] },
    'messages[0].content',
    'must be',
  ],
  ['no content', { ...hello, messages: [{ role: 'user', content: null }] }, 'messages[0].content', 'must be a string'],
  [
    'a part without a type',
    { ...hello, messages: [{ role: 'user', content: [{}] }] },
    'messages[0].content[0].type',
    'is missing',
  ],
  [
    'a text part without its text',
    { ...hello, messages: [{ role: 'user', content: [{ type: 'text' }] }] },
    'messages[0].content[0].text',
    'is missing',
  ],
  [
    'an image that is a text',
    { ...hello, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: 'https://x' }] }] },
    'messages[0].content[0].image_url',
    'must be an object',
  ],
  [
    'a call of no function',
    { ...hello, messages: [user, { role: 'assistant', tool_calls: [{ id: 'c-1', type: 'function' }] }] },
    'messages[1].tool_calls[0].function',
    'is missing',
  ],
  ['a tool that is no function', { ...hello, tools: [{ type: 'function' }] }, 'tools[0].function', 'is missing'],
  ['a model whose name is too long', { ...hello, model: 'm'.repeat(201) }, 'model', 'at most 200'],
  [
    'a picture that is not behind TLS',
    {
      ...hello,
      messages: [
        user,
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://example.com/a.png' } }] },
      ],
    },
    'messages[1].content[0].image_url.url',
    'must begin with https://',
  ],
  ['an empty session', { ...hello, metadata: { session_id: ' ' } }, 'metadata.session_id', 'is empty'],
  [
    'a tool message without its call',
    { ...hello, messages: [{ role: 'tool', content: 'x' }] },
    'messages[0].tool_call_id',
    'is missing',
  ],
  [
    'a part that is a sound',
    { ...hello, messages: [user, { role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] },
    'messages[1].content[0].type',
    'must be one of text, image_url, not "input_audio"',
  ],
  [
    'a result of a call of an older kind',
    { ...hello, messages: [user, { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } }] },
    'messages[1].function_call',
    'use tool_calls',
  ],
  ['a choice among no tools', { ...hello, tools: [], tool_choice: 'required' }, 'tool_choice', 'there are no tools'],
  ['a code interpreter', { ...hello, tools: [{ type: 'code_interpreter' }] }, 'tools[0].type', 'function, custom'],
  ['log probabilities', { ...hello, logprobs: true }, 'logprobs', 'is not offered: answers do not contain them'],
  ['the most likely tokens', { ...hello, top_logprobs: 3 }, 'top_logprobs', 'is not offered'],
  ['another price', { ...hello, service_tier: 'priority' }, 'service_tier', 'its price'],
  ['the best of two', { ...hello, best_of: 2 }, 'best_of', 'one answer'],
  ['a user that is half a number', { ...hello, user: 1.5 }, 'user', 'must be a string or a whole number'],
  ['a search in the web', { ...hello, web_search_options: {} }, 'web_search_options', 'use tools'],
  ['two answers', { ...hello, n: 2 }, 'n', 'must be 1'],
  ['a temperature of 3', { ...hello, temperature: 3 }, 'temperature', 'at most 2'],
  ['a temperature that is a text', { ...hello, temperature: '1' }, 'temperature', 'must be a number'],
  ['max_tokens of 0', { ...hello, max_tokens: 0 }, 'max_tokens', 'at least 1'],
  ['half a token', { ...hello, max_completion_tokens: 0.5 }, 'max_completion_tokens', 'whole number'],
  ['a stream that is a text', { ...hello, stream: 'yes' }, 'stream', 'must be a boolean'],
  ['five stop words', { ...hello, stop: ['1', '2', '3', '4', '5'] }, 'stop', 'at most 4'],
  ['tools of an older kind', { ...hello, functions: [{ name: 'x' }] }, 'functions', 'use tools'],
  ['spoken answers', { ...hello, modalities: ['text', 'audio'] }, 'modalities[1]', 'must be "text"'],
  ['too many messages', { ...hello, messages: many(2_001, user) }, 'messages', 'have 2001 entries, the limit is 2000'],
  [
    'too many parts',
    { ...hello, messages: many(41, { role: 'user', content: many(100, { type: 'text', text: 'x' }) }) },
    'messages',
    'have 4100 parts in all, the limit is 4000',
  ],
  [
    'too many calls',
    { ...hello, messages: [user, { role: 'assistant', tool_calls: many(2_001, { id: 'c-1', type: 'function' }) }] },
    'messages',
    'have 2001 tool_calls in all, the limit is 2000',
  ],
  ['too many tools', { ...hello, tools: many(129, tool) }, 'tools', 'have 129 entries, the limit is 128'],
  ['messages that are nothing, by the thousand', { ...hello, messages: many(300_000, {}) }, null, 'limit of 50000'],
  ['an object that is too wide', { ...hello, metadata: wide(60_000) }, null, 'more fields and entries than the limit'],
  ['a bias that is no number', { ...hello, logit_bias: { 50256: '-100' } }, 'logit_bias', 'must hold numbers'],
  [
    'a limit in another place',
    { ...hello, extra_body: { max_tokens: 9_000 } },
    'extra_body.max_tokens',
    'is not offered',
  ],
  [
    'a search of the provider in another place',
    { ...hello, extra_body: { google: { thinking_config: {}, tools: [{ google_search: {} }] } } },
    'extra_body.google.tools',
    'only google.thinking_config',
  ],
  [
    'a prompt that no one measures',
    { ...hello, extra_body: { google: { cached_content: 'cachedContents/x' } } },
    'extra_body.google.cached_content',
    'is not offered',
  ],
  ['an extra body that is a text', { ...hello, extra_body: 'x' }, 'extra_body', 'must be an object'],
  ['too much thinking', { ...hello, thinking_budget: 131_073 }, 'thinking_budget', 'from 0 to 131072'],
  ['a budget that is a text', { ...hello, thinking: { budget_tokens: '9' } }, 'thinking.budget_tokens', 'whole number'],
  ['too much reasoning', { ...hello, reasoning: { max_tokens: 1e9 } }, 'reasoning.max_tokens', 'from 0 to 131072'],
  [
    'too many thoughts of Gemini',
    { ...hello, extra_body: { google: { thinking_config: { thinking_budget: 1e6 } } } },
    'extra_body.google.thinking_config.thinking_budget',
    'from 0 to 131072',
  ],
  ['more modalities than there are', { ...hello, modalities: many(3, 'text') }, 'modalities', 'at most 2 entries'],
])('%s is a 400 that names the field and the limit', async (_, body, param, message) => {
  const answer = await refusal(await setting.call('/v1/chat/completions', body));
  expect(answer).toMatchObject({ status: 400, type: 'invalid_request_error', param });
  expect(answer.message).toContain(message);
});

describe('a long request', () => {
  /** Asks with a key of its own for what is refused, but only after it was counted. */
  async function asking(requestsPerMinute: number): Promise<(length: number) => Promise<Response>> {
    const authorization = `Bearer ${await setting.createKey({ requestsPerMinute })}`;
    return (length) =>
      setting.call('/v1/chat/completions', { ...hello, messages: [], user: 'x'.repeat(length) }, { authorization });
  }
  const leftOf = ({ headers }: Response) => headers.get('x-ratelimit-remaining');

  test('counts once more for every further 32 KiB, whether it is taken or not', async () => {
    const ask = await asking(8);
    const answers = [await ask(10), await ask(32 * 1024), await ask(150_000), await ask(10)];
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 429]);
    expect(answers.map(leftOf)).toEqual(['7', '5', '0', '0']);
  });

  test('that no longer fits the minute is refused, and counts once', async () => {
    const ask = await asking(8);
    expect([(await ask(150_000)).status, (await ask(10)).status]).toEqual([400, 400]);
    const { status, code, message } = await refusal(await ask(150_000));
    expect({ status, code }).toEqual({ status: 429, code: 'rate_limit_exceeded' });
    expect(message).toContain('a long request counts once more for every further 32 KiB of its body');
    expect([(await ask(10)).status, (await ask(10)).status]).toEqual([400, 429]);
  });

  test('that counts more than a key’s limit takes the whole minute, and passes when nothing came before it', async () => {
    const first = await asking(10);
    expect([(await first(400 * 1024)).status, (await first(10)).status]).toEqual([400, 429]);
    const second = await asking(10);
    expect([(await second(10)).status, (await second(400 * 1024)).status]).toEqual([400, 429]);
    expect((await (await asking(1))(400 * 1024)).status).toBe(400);
  });
});

test('messages larger than a session takes are named as the request has them', async () => {
  const messages = [user, { role: 'assistant', content: 'Yes?' }, { role: 'user', content: 'x'.repeat(65_537) }];
  const answer = await refusal(
    await setting.call('/v1/chat/completions', { ...hello, messages }, { 'x-bellwether-session': 's' }),
  );
  expect(answer).toMatchObject({ status: 400, param: 'messages[2].content' });
  expect(answer.message).toContain('limit is 65536');
});

test('an empty session header is a 400: a turn without memory would hide that the id was lost', async () => {
  const answer = await refusal(await setting.call('/v1/chat/completions', hello, { 'x-bellwether-session': '' }));
  expect(answer).toMatchObject({ status: 400, param: 'x-bellwether-session' });
});

test('a session that ends with an answer has nothing new', async () => {
  const messages = [user, { role: 'assistant', content: 'Yes?' }];
  const answer = await refusal(
    await setting.call('/v1/chat/completions', { ...hello, messages }, { 'x-bellwether-session': 's' }),
  );
  expect(answer).toMatchObject({ status: 400, param: 'messages' });
});

test('an unknown model is a 404', async () => {
  const answer = await refusal(await setting.call('/v1/chat/completions', { ...hello, model: 'gpt-99' }));
  expect(answer).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
});

describe('a body that is', () => {
  const send = (body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${setting.gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json', ...headers },
    });

  test.each<[string, () => string | Buffer, string]>([
    ['no JSON', () => '{"model":', 'not valid JSON'],
    ['empty', () => '', 'is empty'],
    ['no UTF-8', () => Buffer.from([0xff, 0xfe, 0x7b]), 'not valid JSON'],
    ['nested too deep', () => `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'limit of 100 levels'],
    ['out to change prototypes', () => '{"__proto__":{"x":1}}', 'field named __proto__'],
  ])('%s is a 400', async (_, body, message) => {
    const answer = await refusal(await send(body()));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_json' });
    expect(answer.message).toContain(message);
  });

  test('larger than the limit is a 413', async () => {
    const answer = await refusal(await send(JSON.stringify({ ...hello, user: 'x'.repeat(1_100_000) })));
    expect(answer).toMatchObject({ status: 413, code: 'request_too_large' });
    expect(answer.message).toContain('1048576');
  });

  test('of another type is a 415', async () => {
    const answer = await refusal(await send('model=x', { 'content-type': 'application/x-www-form-urlencoded' }));
    expect(answer).toMatchObject({ status: 415, param: 'content-type' });
  });
});

test.each([
  ['GET', '/', 404, 'unknown_route'],
  ['POST', '/v1/audio/speech', 404, 'unknown_route'],
  ['GET', '/v1/chat/completions', 405, 'method_not_allowed'],
  ['DELETE', '/v1/models/x', 405, 'method_not_allowed'],
  ['GET', '/v1/models/%ff', 400, 'invalid_url'],
])('%s %s is a %i', async (method, path, status, code) => {
  const headers = { authorization: `Bearer ${setting.key}` };
  const response = await fetch(`${setting.gateway.url}${path}`, { method, headers });
  expect(await refusal(response)).toMatchObject({ status, code });
});

test.each<[string, string, number, string]>([
  [
    'headers beyond the limit',
    `GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-long: ${'x'.repeat(20_000)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  ['what is no HTTP', 'HELLO\r\n\r\n', 400, 'bad_http'],
])('%s get an answer in the same shape', async (_, request, status, code) => {
  const { port } = new URL(setting.gateway.url);
  const text = await new Promise<string>((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
  expect(text).toContain(`HTTP/1.1 ${status} `);
  expect(JSON.parse(text.slice(text.indexOf('{')))).toMatchObject({ error: { code } });
});
