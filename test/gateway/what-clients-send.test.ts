import { randomBytes } from 'node:crypto';
import { METHODS, request as httpRequest } from 'node:http';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import OpenAI from 'openai';
import type { Completion } from '../../src/gateway/completion';
import { type RecordingProvider, startRecordingProvider } from '../support/recording-provider';
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';

const page = 'https://chat.example.com';

let provider: RecordingProvider;
let setting: GatewayService;
beforeAll(async () => {
  provider = await startRecordingProvider();
  setting = await startGatewayService({
    environment: {
      HOLYSHEEP_BASE_URL: provider.baseUrl,
      BELLWETHER_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
    },
    configuration: { defaults: {}, gateway: { corsOrigins: [page], maxBodyBytes: 9_000_000 } },
  });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});

const user = hello.messages[0];
const calls = [{ id: 'call_1', type: 'function', function: { name: 'find', arguments: '{}' } }];

/** The answer, and what the provider was asked for it. */
async function asked(body: unknown, headers?: Record<string, string>) {
  const before = provider.requests.length;
  const response = await setting.call('/v1/chat/completions', body, headers);
  const answer = (await response.json()) as Completion & Partial<ErrorAnswer>;
  expect({ status: response.status, error: answer.error }).toEqual({ status: 200, error: undefined });
  const request = provider.requests[before] as unknown as Record<string, unknown>;
  return { answer, request, headers: response.headers };
}

async function refused(body: unknown, headers?: Record<string, string>) {
  const response = await setting.call('/v1/chat/completions', body, headers);
  return { status: response.status, ...((await response.json()) as ErrorAnswer).error };
}

describe.each([
  ['without a session', false],
  ['in a session', true],
])('%s, what was said before is taken back:', (_, isSession) => {
  const nothing = { ...user, content: '' };
  test.each<[string, object[], object[]]>([
    [
      'line breaks beside calls, and a line break as their result',
      [
        { role: 'assistant', content: '\n\n', tool_calls: calls },
        { role: 'tool', content: '\n', tool_call_id: 'call_1' },
      ],
      [
        { role: 'assistant', content: '\n\n', tool_calls: calls },
        { role: 'tool', content: '\n', tool_call_id: 'call_1' },
      ],
    ],
    [
      'calls without content, and no result at all',
      [
        { role: 'assistant', tool_calls: calls },
        { role: 'tool', content: null, tool_call_id: 'call_1' },
      ],
      [
        { role: 'assistant', content: null, tool_calls: calls },
        { role: 'tool', content: '', tool_call_id: 'call_1' },
      ],
    ],
    [
      'calls with thoughts, and a result of no parts',
      [
        { role: 'assistant', content: '', reasoning_content: 'Hm.', tool_calls: calls },
        { role: 'tool', content: [], tool_call_id: 'call_1' },
      ],
      [
        { role: 'assistant', content: '', reasoning_content: 'Hm.', tool_calls: calls },
        { role: 'tool', content: '', tool_call_id: 'call_1' },
      ],
    ],
    ['an answer of nothing', [{ role: 'assistant', content: null }, user], [user]],
    ['an answer of a line break', [{ role: 'assistant', content: '\n' }, user], [user]],
    ['an answer without parts', [{ role: 'assistant', content: [] }, user], [user]],
    [
      'an empty message of the user',
      [{ role: 'assistant', content: 'Yes?' }, nothing],
      [{ role: 'assistant', content: 'Yes?' }, nothing],
    ],
  ])('%s', async (_case, messages, sent) => {
    const headers: Record<string, string> = isSession ? { 'x-bellwether-session': unique('session') } : {};
    const { request } = await asked({ ...hello, messages: [user, ...messages] }, headers);
    expect(request['messages']).toEqual([user, ...sent]);
  });
});

test('fields of older kinds that say nothing, and numbers for names, are taken', async () => {
  const { request } = await asked({
    ...hello,
    user: 42,
    metadata: { session_id: 4711, user_id: 7, anything: { deep: 1 } },
    tools: [],
    functions: [],
    function_call: 'none',
    logprobs: false,
    top_logprobs: 0,
    web_search: false,
    service_tier: 'auto',
    best_of: 1,
  });
  expect(Object.keys(request)).toEqual(expect.not.arrayContaining(['tools', 'functions', 'metadata', 'service_tier']));
  expect((await setting.service.client.transcript(await sessionNamed('4711'))).turns).toHaveLength(1);
});

/** A session's id begins with that of its key. */
async function sessionNamed(name: string): Promise<string> {
  const attempts = await setting.service.ledger.attempts();
  return attempts.map(({ sessionId }) => sessionId).find((id) => id?.endsWith(`.${name}`)) ?? '';
}

test('what some providers know goes to the provider, and what nobody knows is told', async () => {
  const options = {
    top_k: 20,
    min_p: 0.1,
    repetition_penalty: 1.1,
    thinking: { type: 'enabled', budget_tokens: 100 },
    enable_thinking: true,
    chat_template_kwargs: { enable_thinking: false },
    prompt_cache_key: 'a',
  };
  const messages = [{ ...user, id: 'm-1', opts: { visible: true } }];
  const { request, headers } = await asked({ ...hello, ...options, messages, store: true, chat_id: 'c-1', 'né\n': 1 });
  expect(request).toMatchObject(options);
  expect(request['messages']).toEqual([user]);
  expect(headers.get('x-bellwether-ignored')).toBe('store, chat_id, messages[].id, messages[].opts');
  expect((await asked(hello)).headers.has('x-bellwether-ignored')).toBe(false);
});

test('who says no limit gets what the model can say within the cap', async () => {
  expect((await asked(hello)).request['max_tokens']).toBe(2_000);
  expect((await asked({ ...hello, max_tokens: 7 })).request['max_tokens']).toBe(7);
  expect((await asked({ ...hello, max_completion_tokens: 9_000 })).request['max_tokens']).toBe(2_000);
});

describe('pictures', () => {
  const picture = randomBytes(5_000_000);
  const dataUrl = `data:image/png;base64,${picture.toString('base64')}`;
  const showing = (url: string, text = 'What is it?') => ({
    role: 'user' as const,
    content: [
      { type: 'text' as const, text },
      { type: 'image_url' as const, image_url: { url, detail: 'low' as const } },
    ],
  });
  const small = (byte: number) => `data:image/jpeg;base64,${Buffer.alloc(100, byte).toString('base64')}`;

  test('of 5 MB reach the provider as they came, through the official client, for a worst case that fits the budget', async () => {
    const client = new OpenAI({ baseURL: `${setting.gateway.url}/v1`, apiKey: setting.key, maxRetries: 0 });
    const before = provider.requests.length;
    const stream = await client.chat.completions.create({
      model: 'bellwether',
      messages: [showing(dataUrl)],
      stream: true,
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toMatch(/answer/);
    expect(provider.requests[before]?.messages).toEqual([showing(dataUrl)]);
    const attempts = await setting.service.ledger.attempts();
    expect(attempts.at(-1)?.reservedNanoUsd ?? attempts[0]?.reservedNanoUsd).toBeLessThan(0.02e9);
  });

  test('of a session are remembered, and sent again with its next turn', async () => {
    const headers = { 'x-bellwether-session': unique('session') };
    await asked({ ...hello, messages: [showing(dataUrl)] }, headers);
    const { request } = await asked(hello, headers);
    expect(request['messages']).toMatchObject([showing(dataUrl), { role: 'assistant' }, user]);
  });

  test('that come again are kept once, and are no one else’s', async () => {
    const { images } = setting.service.ledger;
    const [key, stranger] = [await setting.createKey(), await setting.createKey()];
    const ask = (url: string, authorization: string) =>
      asked({ ...hello, messages: [showing(url)] }, { authorization: `Bearer ${authorization}` });
    await ask(small(1), key);
    await ask(small(1), key);
    const idOf = (text: string) => text.split('_')[1] ?? '';
    const id = `sha256-${await sha256Of('image/jpeg\n', Buffer.alloc(100, 1))}`;
    expect(await images.use(idOf(key), [id], Date.now())).toEqual(new Map([[id, 100]]));
    expect(await images.use(idOf(stranger), [id], Date.now())).toEqual(new Map());
    const stored = await images.read(idOf(key), id);
    expect(Buffer.from(stored ?? []).includes(Buffer.alloc(100, 1))).toBe(false);
    const named = `bellwether-image:${id}`;
    expect(await refused({ ...hello, messages: [showing(named)] })).toMatchObject({
      status: 400,
      param: 'messages[0].content[1].image_url.url',
    });
  });

  test('that are no longer kept are words in an earlier turn', async () => {
    const headers = { 'x-bellwether-session': unique('session') };
    await asked({ ...hello, messages: [showing(small(2))] }, headers);
    await setting.service.ledger.images.prune(Date.now() + 365 * 24 * 60 * 60 * 1000);
    const { request } = await asked(hello, headers);
    const [first] = request['messages'] as { content: object[] }[];
    expect(first?.content[1]).toEqual({ type: 'text', text: expect.stringContaining('no longer available') });
  });

  test('whose turn comes too late are told as lost, and nobody is asked for anything', async () => {
    const messages = [showing(`bellwether-image:sha256-${'0'.repeat(64)}`)];
    const before = provider.requests.length;
    const reply = await setting.service.client.complete({ messages });
    expect(reply).toMatchObject({ success: false, error_kind: 'image-not-kept', cost_usd: 0, unconfirmed_usd: 0 });
    expect(provider.requests.length).toBe(before);
  });

  test('elsewhere are addresses, and those that were sent inline by a client without a gateway are counted as pictures', async () => {
    const address = 'https://example.com/cat.png';
    expect((await asked({ ...hello, messages: [showing(address)] })).request['messages']).toEqual([showing(address)]);
    const inline = `data:image/png;base64,${Buffer.alloc(300_000).toString('base64')}`;
    const reply = await setting.service.client.complete({ messages: [showing(inline)] });
    const [attempt] = await setting.service.ledger.attempts(reply.turn_id);
    expect(attempt?.reservedNanoUsd).toBeLessThan(0.02e9);
  });

  test.each<[string, string]>([
    ['another type than an image', 'data:text/html;base64,AAAA'],
    ['no base64', 'data:image/png;base64,%%%%%%%%'],
    ['nothing', 'data:image/png;base64,'],
    ['another encoding', 'data:image/svg+xml,<svg/>'],
  ])('of %s are a 400 that names the field', async (_, url) => {
    const answer = await refused({ ...hello, messages: [user, showing(url)] });
    expect(answer).toMatchObject({ status: 400, code: 'invalid_value', param: 'messages[1].content[1].image_url.url' });
  });

  test('beyond the limits are refused by the limit: their number, the body, the texts beside them', async () => {
    const many = Array.from({ length: 101 }, () => showing(small(3)));
    expect(await refused({ ...hello, messages: many })).toMatchObject({ status: 400, param: 'messages' });
    const large = `data:image/png;base64,${'A'.repeat(9_000_000)}`;
    const tooLarge = await refused({ ...hello, messages: [showing(large)] });
    expect(tooLarge).toMatchObject({ status: 413, message: expect.stringContaining('9000000') });
    const texts = await refused({ ...hello, messages: [showing(dataUrl, 'x'.repeat(1_100_000))] });
    expect(texts).toMatchObject({ status: 413, message: expect.stringContaining('without its pictures') });
  });

  test('of more requests at a time than there is room for are refused, until there is room again', async () => {
    const limits = { maxBytesInFlightOfKey: 6_700_000 };
    const gateway = await setting.startGateway({ limits });
    const url = `${gateway.url}/v1/chat/completions`;
    const headers = { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json' };
    const slow = httpRequest(url, { method: 'POST', headers: { ...headers, 'content-length': '2000000' } });
    slow.on('error', () => undefined).write('{'.padEnd(1_900_000));
    const ask = async () =>
      (await fetch(url, { method: 'POST', headers, body: JSON.stringify({ ...hello, messages: [showing(dataUrl)] }) }))
        .status;
    await eventually('the slow request takes its room', async () => (await ask()) === 429);
    slow.destroy();
    await eventually('it gives it back', async () => (await ask()) === 200);
    expect(await Promise.all([ask(), ask(), ask()])).toContain(200);
    await eventually('all have given theirs back', async () => (await ask()) === 200);
    await gateway.close();
  });

  test('may come in chunks, which count as they come, and small ones no more than others', async () => {
    const authorization = `Bearer ${await setting.createKey({ requestsPerMinute: 10 })}`;
    const headers = { authorization, 'content-type': 'application/json' };
    const ask = async (messages: readonly object[]) => {
      const body = new Blob([JSON.stringify({ ...hello, messages })]).stream();
      const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      const response = await fetch(`${setting.gateway.url}/v1/chat/completions`, init);
      return [response.status, response.headers.get('x-ratelimit-remaining')];
    };
    expect(await ask([user])).toEqual([200, '9']);
    expect(await ask([showing(dataUrl)])).toEqual([200, '2']);
    expect(await ask([showing(dataUrl)])).toEqual([429, '1']);
  });

  test('count once more for every further MiB, before they are read', async () => {
    const authorization = `Bearer ${await setting.createKey({ requestsPerMinute: 10 })}`;
    const ask = () =>
      setting.call('/v1/chat/completions', { ...hello, messages: [showing(dataUrl)] }, { authorization });
    const [first, second] = [await ask(), await ask()];
    expect([first.status, first.headers.get('x-ratelimit-remaining')]).toEqual([200, '3']);
    expect(second.status).toBe(429);
  });
});

async function sha256Of(...parts: readonly (string | Buffer)[]): Promise<string> {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

describe('a compressed body', () => {
  const send = (body: Buffer, encoding: string) =>
    fetch(`${setting.gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body,
      headers: {
        authorization: `Bearer ${setting.key}`,
        'content-type': 'application/json',
        'content-encoding': encoding,
      },
    });
  const body = JSON.stringify(hello);

  test.each<[string, string, (text: string) => Buffer]>([
    ['gzip', 'gzip', gzipSync],
    ['deflate', 'deflate', deflateSync],
    ['deflate without its envelope', 'deflate', deflateRawSync],
    ['br', 'BR', brotliCompressSync],
    ['nothing', 'identity', (text) => Buffer.from(text)],
  ])('in %s is read', async (_, encoding, compress) => {
    expect((await send(compress(body), encoding)).status).toBe(200);
  });

  test.each<[string, () => Buffer, string, number, string]>([
    ['in an unknown encoding', () => Buffer.from(body), 'zstd', 415, 'unsupported_media_type'],
    ['that is not what it says', () => Buffer.from(body), 'gzip', 400, 'invalid_body'],
    ['that becomes too large', () => gzipSync(Buffer.alloc(100_000_000, ' ')), 'gzip', 413, 'request_too_large'],
  ])('%s is refused', async (_, compressed, encoding, status, code) => {
    const response = await send(compressed(), encoding);
    expect(response.status).toBe(status);
    expect(((await response.json()) as ErrorAnswer).error.code).toBe(code);
  });
});

describe('a path', () => {
  const get = (path: string, method = 'GET', headers: Record<string, string> = {}) =>
    fetch(`${setting.gateway.url}${path}`, { method, headers: { authorization: `Bearer ${setting.key}`, ...headers } });

  test.each(['/v1/models/', '//v1//models', '/models', '/models/', '/v1/v1/models', '/v1/models?x=//'])(
    '%s lists the models',
    async (path) => {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ object: 'list' });
    },
  );

  test.each(['/chat/completions', '/v1//chat/completions', '/v1/chat/completions/'])('%s answers', async (path) => {
    expect((await setting.call(path, hello)).status).toBe(200);
  });

  test('is answered to HEAD without a body, and to OPTIONS without a key', async () => {
    const head = await get('/v1/models', 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
    const options = await fetch(`${setting.gateway.url}/v1/chat/completions`, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS']);
  });

  const others = METHODS.filter((method) => !['GET', 'HEAD', 'OPTIONS', 'CONNECT'].includes(method));
  test.each(others)('does not take %s, and says what it takes', async (method) => {
    const { status, allow } = await new Promise<{ status?: number; allow?: string }>((resolve, reject) => {
      const headers = { authorization: `Bearer ${setting.key}` };
      const request = httpRequest(`${setting.gateway.url}/v1/models`, { method, headers }, (response) => {
        response.resume();
        resolve({ status: response.statusCode, allow: response.headers.allow });
      });
      request.on('error', reject).end();
    });
    expect({ status, allow }).toEqual({ status: 405, allow: 'GET, HEAD, OPTIONS' });
  });
});

describe('a page of a configured origin', () => {
  const preflight = (origin: string) =>
    fetch(`${setting.gateway.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-stainless-lang',
      },
    });

  test('may ask, and reads answers and errors', async () => {
    const { status, headers } = await preflight(page);
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe(page);
    expect(headers.get('access-control-allow-headers')).toContain('x-stainless-lang');
    const answer = await setting.call('/v1/chat/completions', hello, { origin: page });
    const wrongKey = await setting.call('/v1/models', undefined, { origin: page, authorization: 'Bearer x' });
    for (const each of [answer, wrongKey]) expect(each.headers.get('access-control-allow-origin')).toBe(page);
    expect([answer.status, wrongKey.status]).toEqual([200, 401]);
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-bellwether-turn-id');
  });

  test('is the only one', async () => {
    const response = await preflight('https://evil.example.com');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    expect(response.status).toBe(403);
  });
});
