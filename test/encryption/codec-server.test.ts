import { randomBytes } from 'node:crypto';
import { defaultPayloadConverter } from '@temporalio/common';
import { payloadToJSON } from '@temporalio/common/lib/proto-utils';
import { request } from 'undici';
import { createPayloadCodec } from '../../src/encryption/aes-gcm-codec';
import { startCodecServer, type CodecServer, type CodecServerOptions } from '../../src/encryption/codec-server';

const uiOrigin = 'http://localhost:8080';
const token = randomBytes(24).toString('base64');
const codec = createPayloadCodec({ activeKeyId: 'first', keys: new Map([['first', randomBytes(32)]]) });
const plain = { payloads: [payloadToJSON(defaultPayloadConverter.toPayload('hello'))] };

function megabytes(count: number) {
  return { payloads: Array.from({ length: count }, () => ({ data: 'A'.repeat(1024 * 1024) })) };
}

const running: CodecServer[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});

async function start(options: Partial<CodecServerOptions> = {}): Promise<CodecServer> {
  const server = await startCodecServer({ codec, port: 0, allowedOrigins: [uiOrigin], ...options });
  running.push(server);
  return server;
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-namespace': 'default', origin: uiOrigin, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.statusCode, headers: response.headers, body: (await response.body.json()) as never };
}

describe("Temporal's remote codec protocol", () => {
  test('encode and decode are inverses, in proto JSON', async () => {
    const { url } = await start();
    const encoded = await post(`${url}/encode`, plain);
    expect(encoded.status).toBe(200);
    expect(encoded.body).toMatchObject({
      payloads: [{ metadata: { encoding: Buffer.from('binary/encrypted').toString('base64') } }],
    });
    const decoded = await post(`${url}/decode`, encoded.body);
    expect(decoded.status).toBe(200);
    expect(decoded.body).toEqual(plain);
  });

  test('what is encrypted for a workflow is shown in its namespace only', async () => {
    const { url } = await start();
    const context = { type: 'workflow', namespace: 'default', workflowId: 'turn/1' } as const;
    const encoded = await codec.encode([defaultPayloadConverter.toPayload('hello')], context);
    const body = { payloads: encoded.map(payloadToJSON) };
    expect((await post(`${url}/decode`, body)).body).toEqual(plain);
    expect(await post(`${url}/decode`, body, { 'x-namespace': 'other' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('it is in other') },
    });
  });

  test('unencrypted payloads come back unchanged', async () => {
    const { url } = await start();
    expect((await post(`${url}/decode`, plain)).body).toEqual(plain);
    expect((await post(`${url}/decode`, { payloads: [] })).body).toEqual({ payloads: [] });
  });

  test('a page of history of Temporal’s largest size is accepted, a larger body is refused', async () => {
    const { url } = await start();
    expect((await post(`${url}/decode`, megabytes(6))).status).toBe(200);
    expect((await post(`${url}/decode`, megabytes(9))).status).toBe(413);
  });

  test('a payload with an unknown key gets 400, and the error names the key', async () => {
    const { url } = await start();
    const other = createPayloadCodec({ activeKeyId: 'elsewhere', keys: new Map([['elsewhere', randomBytes(32)]]) });
    const [foreign] = await other.encode([defaultPayloadConverter.toPayload('x')]);
    const answer = await post(`${url}/decode`, { payloads: [payloadToJSON(foreign!)] });
    expect(answer).toMatchObject({ status: 400, body: { message: expect.stringContaining('"elsewhere"') } });
  });

  test.each([
    ['no JSON', '{"payloads": ['],
    ['no payloads', {}],
    ['payloads that are not a list', { payloads: 'x' }],
    ['payloads that are not objects', { payloads: ['x'] }],
    ['metadata of another type', { payloads: [{ metadata: 'secret words' }] }],
    ['data of another type', { payloads: [{ data: { secret: 'words' } }] }],
  ])('%s gets 400 without quoting the body', async (_name, body) => {
    const { url } = await start();
    const answer = await post(`${url}/decode`, body);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).not.toMatch(/secret|words/);
  });

  test('the health check answers without a token', async () => {
    const { url } = await start({ token });
    const response = await request(`${url}/healthz`);
    expect(response.statusCode).toBe(200);
    expect(await response.body.json()).toEqual({ status: 'ok' });
  });
});

describe('access control', () => {
  test("a browser on the UI's page is allowed, with credentials and the namespace header", async () => {
    const { url } = await start();
    const preflight = await request(`${url}/decode`, {
      method: 'OPTIONS',
      headers: {
        origin: uiOrigin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-namespace,authorization',
      },
    });
    await preflight.body.dump();
    expect(preflight.statusCode).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': uiOrigin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': expect.stringMatching(/x-namespace.*authorization/),
    });
    expect((await post(`${url}/decode`, plain)).headers['access-control-allow-origin']).toBe(uiOrigin);
  });

  test('a page of another origin is refused before anything is decoded', async () => {
    const { url } = await start();
    const answer = await post(`${url}/decode`, plain, { origin: 'http://elsewhere.example' });
    expect(answer.status).toBe(403);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  test.each([
    ['a bearer token', `Bearer ${token}`, 200],
    ['HTTP Basic with the token as password', `Basic ${Buffer.from(`me:${token}`).toString('base64')}`, 200],
    ['another bearer token', `Bearer ${token}x`, 401],
    ['another password', `Basic ${Buffer.from(`${token}:me`).toString('base64')}`, 401],
    ['an unknown scheme', `Digest ${token}`, 401],
    ['nothing', '', 401],
  ])('with a token set, %s is answered correctly', async (_name, authorization, status) => {
    const { url } = await start({ token });
    const answer = await post(`${url}/decode`, plain, authorization === '' ? {} : { authorization });
    expect(answer.status).toBe(status);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Basic realm="bellwether codec"' : undefined);
    // Without the CORS header a browser would hide the reason from the UI.
    expect(answer.headers['access-control-allow-origin']).toBe(uiOrigin);
  });

  test('it listens on loopback by default', async () => {
    expect(new URL((await start()).url).hostname).toBe('127.0.0.1');
  });

  test.each([
    ['without the flag', { token }],
    ['without a token', { allowRemote: true }],
    ['without either', {}],
  ])('an address that other machines can reach is refused %s', async (_name, options) => {
    await expect(start({ host: '0.0.0.0', ...options })).rejects.toThrow(/--allow-remote and --token-file/);
  });

  test('an address that other machines can reach is accepted with --allow-remote and a token', async () => {
    const { port } = await start({ host: '0.0.0.0', allowRemote: true, token });
    const answer = await post(`http://127.0.0.1:${port}/decode`, plain, { authorization: `Bearer ${token}` });
    expect(answer.status).toBe(200);
  });

  test('a token that is short enough to guess is refused', async () => {
    await expect(start({ token: 'short' })).rejects.toThrow(/5 characters.*at least 24/);
  });
});
