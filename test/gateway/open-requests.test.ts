import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import OpenAI from 'openai';
import { defaultConfig } from '../../src/config/defaults';
import { configuredLimits } from '../../src/gateway/limits';
import { OpenRequests } from '../../src/gateway/open-requests';
import { eventually } from '../support/eventually';
import { type ErrorAnswer, hello } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';
import { answersIn, exchange } from './raw-answers';

const mb = 1_000_000;

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService();
});
afterAll(() => setting.stop());
beforeEach(() => setting.model.hold());

const untilCalled = (calls: number) => eventually('the model is asked', () => setting.model.callCount() >= calls);
const headersOf = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
/** A turn that waits for its model. */
const held = (bytes = 0) => ({
  ...hello,
  user: heldUser,
  messages: [{ role: 'user', content: 'x'.repeat(Math.max(10, bytes - 100)) }],
});

function post(url: string, key: string, body: object, init: RequestInit = {}): Promise<Response> {
  const target = `${url}/v1/chat/completions`;
  return fetch(target, { method: 'POST', headers: headersOf(key), body: JSON.stringify(body), ...init });
}

async function codeOf(response: Response | Promise<Response>): Promise<string> {
  const { status, headers } = await response;
  const { error } = (await (await response).json()) as Partial<ErrorAnswer>;
  if (error !== undefined) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  return error === undefined ? `${status}` : `${status} ${error.code}`;
}

const ofKey = '429 too_many_open_requests';
const inAll = '503 overloaded';

/** What is answered to a request of which nothing but its headers comes. */
async function answerToHeaders(url: string, key: string, ...headers: string[]): Promise<string> {
  const lines = Object.entries(headersOf(key)).map(([name, value]) => `${name}: ${value}`);
  const head = ['POST /v1/chat/completions HTTP/1.1', 'host: localhost', ...lines, ...headers, '\r\n'].join('\r\n');
  const [answer] = answersIn(await exchange(url, (socket) => socket.write(head)));
  expect(answer?.headers).toMatchObject({ connection: 'close', 'retry-after': expect.stringMatching(/^\d+$/) });
  return `${answer?.status} ${(JSON.parse(answer?.body ?? '{}') as ErrorAnswer).error.code}`;
}

/** Whether a body of this size is refused now. Nothing of it is sent: a body that is let in would take the room itself. */
function isRefused(url: string, key: string, bytes: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = httpRequest(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...headersOf(key), 'content-length': String(bytes) },
    });
    asking.on('response', (response) => {
      resolve(response.statusCode === 429);
      asking.destroy();
    });
    asking.on('error', () => resolve(false));
    asking.setTimeout(2_000, () => asking.destroy(new Error('It waits for the body.')));
    asking.flushHeaders();
  });
}

test('one key may have so many requests open, and no more of them is read; other keys have room', async () => {
  const gateway = await setting.startGateway({ limits: { maxOpenRequestsOfKey: 2, maxOpenRequests: 3 } });
  const [greedy, other] = [setting.key, await setting.createKey()];
  const first = [post(gateway.url, greedy, held()), post(gateway.url, greedy, held())];
  await untilCalled(2);
  expect(await answerToHeaders(gateway.url, greedy, 'content-length: 500000')).toBe(ofKey);
  expect(await codeOf(post(gateway.url, greedy, hello))).toBe(ofKey);
  // One that only looks counts as well.
  const models = await fetch(`${gateway.url}/v1/models`, { headers: headersOf(greedy) });
  expect(await codeOf(models)).toBe(ofKey);
  expect(await codeOf(post(gateway.url, other, hello))).toBe('200');

  const third = post(gateway.url, other, held());
  await untilCalled(3);
  expect(await answerToHeaders(gateway.url, other, 'content-length: 500000')).toBe(inAll);
  setting.model.release();
  expect(await Promise.all([...first, third].map(codeOf))).toEqual(['200', '200', '200']);
  await eventually('there is room again', async () => (await codeOf(post(gateway.url, greedy, hello))) === '200');
  await gateway.close();
});

test('one key may have so many bytes under way, until its turns have ended, and no more of them is read; other keys have room', async () => {
  const limits = { maxBytesInFlightOfKey: 1.5 * mb, maxBytesInFlight: 2.5 * mb };
  const gateway = await setting.startGateway({ limits });
  const [greedy, other, another] = [setting.key, await setting.createKey(), await setting.createKey()];
  const large = [post(gateway.url, greedy, held(mb))];
  await untilCalled(1);
  expect(await answerToHeaders(gateway.url, greedy, `content-length: ${mb}`)).toBe(ofKey);
  expect(await codeOf(post(gateway.url, greedy, hello))).toBe('200');
  large.push(post(gateway.url, other, held(mb)));
  await untilCalled(2);
  expect(await answerToHeaders(gateway.url, another, `content-length: ${mb}`)).toBe(inAll);
  expect(await codeOf(post(gateway.url, another, hello))).toBe('200');
  setting.model.release();
  expect(await Promise.all(large.map(codeOf))).toEqual(['200', '200']);
  await eventually('there is room again', async () => (await codeOf(post(gateway.url, greedy, held(mb)))) === '200');
  await gateway.close();
});

test('a turn whose client has left takes its room until it has ended', async () => {
  const gateway = await setting.startGateway({ limits: { maxBytesInFlightOfKey: 1.5 * mb } });
  const loggedBefore = setting.logged.length;
  const leaving = new AbortController();
  const left = post(gateway.url, setting.key, held(mb), { signal: leaving.signal });
  await untilCalled(1);
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  await eventually('the gateway has noticed', () =>
    setting.logged.slice(loggedBefore).some((line) => line.includes('"status":499')),
  );
  expect(await answerToHeaders(gateway.url, setting.key, `content-length: ${mb}`)).toBe(ofKey);
  setting.model.release();
  await eventually(
    'its turn has ended',
    async () => (await codeOf(post(gateway.url, setting.key, held(mb)))) === '200',
  );
  await gateway.close();
});

test('a slow request takes what has come of it, and gives it back when its time is over', async () => {
  const limits = { maxBytesInFlightOfKey: 1.5 * mb, requestTimeoutMs: 8_000, headersTimeoutMs: 500 };
  const gateway = await setting.startGateway({ limits });
  setting.model.release();
  const slow = httpRequest(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...headersOf(setting.key), 'content-length': String(mb) },
  });
  const answered = new Promise<number | undefined>((resolve) =>
    slow.on('response', (r) => resolve(r.resume().statusCode)),
  );
  slow.on('error', () => undefined).write('{'.padEnd(0.9 * mb));
  await eventually('it takes its room', () => isRefused(gateway.url, setting.key, mb));
  expect(await answered).toBe(408);
  await eventually('it gives it back', async () => (await codeOf(post(gateway.url, setting.key, held(mb)))) === '200');
  await gateway.close();
});

test('large bodies that are only declared do not hold the room of other keys', async () => {
  const gateway = await setting.startGateway({ limits: { maxBytesInFlight: 24 * mb } });
  setting.model.release();
  const [key, otherKey] = [await setting.createKey(), await setting.createKey()];
  const declared = [
    ...[key, otherKey].map((of) => ({ ...headersOf(of), 'content-length': String(20 * mb) })),
    ...Array.from({ length: 12 }, (_, index) => ({
      ...headersOf(index < 6 ? key : otherKey),
      'content-length': String(mb),
      'content-encoding': 'gzip',
    })),
  ];
  const slow = declared.map((headers) => {
    const upload = httpRequest(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers });
    upload.on('error', () => undefined).write('{');
    return upload;
  });
  const others = await Promise.all(Array.from({ length: 3 }, () => setting.createKey()));
  const answers = others.map((other) => codeOf(post(gateway.url, other, held(mb))));
  expect(await Promise.all(answers)).toEqual(['200', '200', '200']);
  for (const upload of slow) upload.destroy();
  await gateway.close();
});

test('a body in chunks takes what has come, and a compressed one what it may become', async () => {
  const gateway = await setting.startGateway({ limits: { maxBytesInFlightOfKey: 1.5 * mb } });
  const { url } = gateway;
  const first = post(url, setting.key, held(mb));
  await untilCalled(1);
  const inChunks = (body: object) =>
    post(url, setting.key, {}, { body: new Blob([JSON.stringify(body)]).stream(), duplex: 'half' });
  expect(await codeOf(inChunks(hello))).toBe('200');
  expect(await codeOf(inChunks(held(mb)))).toBe(ofKey);
  const compressed = gzipSync(JSON.stringify(held(mb)));
  expect(compressed.length).toBeLessThan(10_000);
  const headers = { ...headersOf(setting.key), 'content-encoding': 'gzip' };
  expect(await codeOf(post(url, setting.key, {}, { body: compressed, headers }))).toBe(ofKey);
  setting.model.release();
  expect(await codeOf(first)).toBe('200');
  await gateway.close();
});

test('the stream of a turn that is joined is open too', async () => {
  const gateway = await setting.startGateway({ limits: { maxOpenRequestsOfKey: 2, holdHeadersMs: 50 } });
  const streamed = await post(gateway.url, setting.key, { ...held(), stream: true });
  const turnId = streamed.headers.get('x-bellwether-turn-id') ?? '';
  const joined = await fetch(`${gateway.url}/v1/turns/${turnId}/stream`, { headers: headersOf(setting.key) });
  expect(joined.status).toBe(200);
  expect(await answerToHeaders(gateway.url, setting.key, 'content-length: 100')).toBe(ofKey);
  setting.model.release();
  for (const response of [streamed, joined]) expect(await response.text()).toContain('data: [DONE]');
  await gateway.close();
});

test('clients that send a whole body to a full gateway get its answer, and send it again until there is room', async () => {
  const gateway = await setting.startGateway({ limits: { maxBytesInFlightOfKey: 1.5 * mb } });
  const first = post(gateway.url, setting.key, held(mb));
  await untilCalled(1);
  const refused = await Promise.all(Array.from({ length: 20 }, () => codeOf(post(gateway.url, setting.key, held(mb)))));
  expect(new Set(refused)).toEqual(new Set([ofKey]));
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: setting.key, maxRetries: 0 });
  const { messages } = held(mb);
  const asked = openai.chat.completions.create({ model: 'bellwether', messages: messages as [] });
  await expect(asked).rejects.toMatchObject({ status: 429, code: 'too_many_open_requests' });
  setting.model.release();
  expect(await codeOf(first)).toBe('200');
  await gateway.close();
});

describe('what is open', () => {
  const limits = { maxOpenRequests: 10, maxOpenRequestsOfKey: 2, maxBytesInFlight: 100, maxBytesInFlightOfKey: 50 };
  const begin = (open: OpenRequests) => {
    const request = open.begin();
    request.belongTo('a');
    return request;
  };
  const refusal = (code: string) => expect.objectContaining({ fields: expect.objectContaining({ code }) }) as Error;

  test('is counted also for a turn that begins when its client has left already', async () => {
    const open = new OpenRequests(limits);
    const request = begin(open);
    request.weigh(40);
    request.connectionClosed();
    let end!: () => void;
    request.keepUntil(new Promise<void>((resolve) => (end = resolve)));
    const other = begin(open);
    expect(() => other.weigh(20)).toThrow(refusal('too_many_open_requests'));
    expect(() => begin(open)).toThrow(refusal('too_many_open_requests'));
    end();
    await new Promise(setImmediate);
    other.weigh(50);
    begin(open);
  });

  test('may be one body of any size, and less of it as soon as less is held', () => {
    const open = new OpenRequests(limits);
    const [one, other] = [begin(open), begin(open)];
    one.weigh(80);
    expect(() => other.weigh(1)).toThrow(refusal('too_many_open_requests'));
    one.weigh(30);
    other.weigh(20);
    expect(() => one.weigh(31)).toThrow(refusal('too_many_open_requests'));
  });

  test('leaves room for ten other keys when one key takes all that it may', () => {
    const { maxOpenRequests, maxOpenRequestsOfKey, maxBytesInFlight, maxBytesInFlightOfKey } = configuredLimits(
      defaultConfig.gateway,
    );
    expect((maxOpenRequests - maxOpenRequestsOfKey) / 10).toBeGreaterThanOrEqual(maxOpenRequestsOfKey);
    // Turns of the largest texts.
    expect((maxBytesInFlight - maxBytesInFlightOfKey) / 10).toBeGreaterThanOrEqual(mb);
  });
});
