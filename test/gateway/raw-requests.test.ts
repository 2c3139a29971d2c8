import type { Socket } from 'node:net';
import pino from 'pino';
import { gatewayLimits } from '../../src/gateway/limits';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';
import { answersIn, exchange } from './raw-answers';

/** Short enough to be waited for. Only what never comes whole meets them: all else would, too, on a busy machine. */
const impatient = { headersTimeoutMs: 500, requestTimeoutMs: 1_500 };
const maxOpenRequests = 50;

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({ limits: { maxOpenRequests, maxBodyBytes: gatewayLimits.maxTextBytes } });
});
afterAll(() => setting.stop());
beforeEach(() => setting.service.simulator.clearCalls());
afterEach(() => setting.service.simulator.setBehaviour('*', { pieceGapMs: 0 }));

const body = JSON.stringify(hello);

const getModels = (headers = 'host: localhost') =>
  `GET /v1/models HTTP/1.1\r\nauthorization: Bearer ${setting.key}\r\n${headers}\r\n\r\n`;
const post = (...headers: string[]) =>
  [
    'POST /v1/chat/completions HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${setting.key}`,
    'content-type: application/json',
    ...headers,
    '\r\n',
  ].join('\r\n');

async function answersTo(parts: readonly string[], url = setting.gateway.url) {
  const text = await exchange(url, (socket) => parts.forEach((part) => socket.write(part)));
  return answersIn(text).map((answer) => ({
    ...answer,
    error: answer.status < 400 ? undefined : (JSON.parse(answer.body) as ErrorAnswer).error,
  }));
}

const chunked = 'transfer-encoding: chunked';

function expectRefusal(answers: Awaited<ReturnType<typeof answersTo>>, status: number, code: string): void {
  expect(answers).toMatchObject([{ status, error: { code, type: 'invalid_request_error', param: null } }]);
  expect(answers[0]?.headers).toMatchObject({ connection: 'close', 'x-request-id': expect.stringMatching(/./) });
}

test.each<[string, () => string[]]>([
  ['headers that do not come to an end', () => ['GET /v1/models HTTP/1.1\r\nhost: localhost\r\n']],
  ['a body that does not come to an end', () => [post('content-length: 20'), '{']],
  ['chunks that do not come to an end', () => [post(chunked), '1\r\n{\r\n']],
])('a request with %s is given up in the shape of every error, and the connection ends', async (_, parts) => {
  const gateway = await setting.startGateway({ limits: impatient });
  expectRefusal(await answersTo(parts(), gateway.url), 408, 'request_timeout');
  await gateway.close();
});

test.each<[string, () => string[], number, string]>([
  ['with a chunk without a size', () => [post(chunked), 'zz\r\n{}\r\n0\r\n\r\n'], 400, 'bad_http'],
  ['with a size that fits no number', () => [post(chunked), `${'f'.repeat(20)}\r\n{}`], 400, 'bad_http'],
  ['with a chunk that goes on behind its size', () => [post(chunked), '2\r\n{}}\r\n0\r\n\r\n'], 400, 'bad_http'],
  [
    'with chunks beyond the limit',
    // By one byte: what the gateway leaves unread resets the connection, and may take the answer with it.
    () => [post(chunked), `200000\r\n${'x'.repeat(gatewayLimits.maxTextBytes + 1)}`],
    413,
    'request_too_large',
  ],
  ['with long words beside a size', () => [post(chunked), `2;${'x'.repeat(20_000)}\r\n{}\r\n`], 400, 'bad_http'],
  [
    'with headers behind the body beyond the limit',
    () => [post(chunked), `0\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
    431,
    'headers_too_large',
  ],
  ['with a length and chunks', () => [post(chunked, 'content-length: 2'), '{}'], 400, 'bad_http'],
  ['with two lengths', () => [post('content-length: 2', 'content-length: 3'), '{}'], 400, 'bad_http'],
  ['with a length below nothing', () => [post('content-length: -2'), '{}'], 400, 'bad_http'],
  [
    'with a length beyond the limit, of which nothing comes',
    () => [post('content-length: 2000000')],
    413,
    'request_too_large',
  ],
  ['in a coding that is none', () => [post('transfer-encoding: gzip'), '{}'], 400, 'bad_http'],
  ['with a zero byte in a header', () => [getModels('host: localhost\r\nx: a\0b')], 400, 'bad_http'],
  ['in HTTP/2', () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], 400, 'bad_http'],
  ['that is TLS', () => ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'], 400, 'bad_http'],
])('a request %s is refused in the shape of every error, and the connection ends', async (_, parts, status, code) => {
  expectRefusal(await answersTo(parts()), status, code);
});

test('a request that says no host, or expects what nobody knows, is answered', async () => {
  expect(await answersTo([getModels('connection: close')])).toMatchObject([{ status: 200 }]);
  expect(await answersTo([getModels('host: localhost\r\nexpect: tea\r\nconnection: close')])).toMatchObject([
    { status: 200 },
  ]);
});

test('a body is asked for where the client waits for that', async () => {
  const text = await exchange(setting.gateway.url, (socket) => {
    socket.write(post('expect: 100-continue', 'connection: close', `content-length: ${body.length}`));
    socket.once('data', () => socket.write(body));
  });
  expect(answersIn(text)).toMatchObject([{ status: 100 }, { status: 200 }]);
});

test('garbage behind an answered request is refused, and ends the connection', async () => {
  const text = await exchange(setting.gateway.url, (socket) => {
    socket.write(getModels());
    socket.once('data', () => socket.write('GARBAGE\r\n\r\n'));
  });
  expect(answersIn(text)).toMatchObject([{ status: 200 }, { status: 400 }]);
});

test('garbage while a stream is sent ends the connection, and nothing strange gets into the stream', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
  const streamed = JSON.stringify({ ...hello, stream: true });
  const text = await exchange(setting.gateway.url, (socket) => {
    socket.write(post(`content-length: ${streamed.length}`) + streamed);
    socket.once('data', () => socket.write('GARBAGE\r\n\r\n'));
  });
  expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(text).not.toContain('[DONE]');
});

test('more than the length says is no part of the body', async () => {
  const text = await exchange(setting.gateway.url, (socket) => {
    socket.write(`${post(`content-length: ${body.length}`)}${body}and more\r\n\r\n`);
  });
  expect(answersIn(text)).toMatchObject([{ status: 400 }]);
});

test.each<[string, (socket: Socket) => void]>([
  ['says nothing and leaves', (socket) => socket.end()],
  ['leaves amid its headers', (socket) => socket.end('GET /v1/models HT')],
  ['leaves amid its body', (socket) => socket.end(`${post('content-length: 20')}{`)],
  ['breaks off amid its body', (socket) => breakOff(socket, `${post('content-length: 20')}{`)],
  ['breaks off amid its chunks', (socket) => breakOff(socket, `${post(chunked)}2\r\n{`)],
])('a client that %s harms nobody', async (_, talk) => {
  await exchange(setting.gateway.url, talk);
  expect((await setting.call('/v1/models')).status).toBe(200);
});

function breakOff(socket: Socket, said: string): void {
  socket.write(said, () => socket.resetAndDestroy());
}

test('requests that wait behind another one end with their connection, and hold no place', async () => {
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 50 });
  const streamed = JSON.stringify({ ...hello, stream: true });
  for (let connection = 0; connection < 4; connection += 1) {
    const text = await exchange(setting.gateway.url, (socket) => {
      socket.write(post(`content-length: ${streamed.length}`) + streamed + getModels().repeat(20));
      socket.once('data', () => socket.destroy());
    });
    expect(text).toContain('text/event-stream');
  }
  // More than the limit, if the 80 were taken for open.
  expect((await setting.call('/v1/models')).status).toBe(200);
});

test('nothing of all this is an error of the gateway', () => {
  const levels = setting.logged.map((line) => (JSON.parse(line) as { level: number }).level);
  expect(Math.max(...levels)).toBeLessThan(pino.levels.values['error'] ?? 0);
});
