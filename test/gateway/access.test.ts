import { randomBytes } from 'node:crypto';
import { eventually } from '../support/eventually';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';
import { primaryModel } from '../support/service';

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({ configuration: { gateway: { requestsPerMinute: 5 } } });
});
afterAll(() => setting.stop());

function models(authorization?: string, url = setting.gateway.url): Promise<Response> {
  return fetch(`${url}/v1/models`, { headers: authorization === undefined ? {} : { authorization } });
}

async function errorOf(response: Response): Promise<{ status: number } & ErrorAnswer['error']> {
  return { status: response.status, ...((await response.json()) as ErrorAnswer).error };
}

describe('a key that is', () => {
  test.each([
    ['missing', undefined, 'is missing'],
    ['of another scheme', 'Basic abc', 'is missing'],
    ['malformed', 'Bearer sk-123', 'no API key of this service'],
    ['unknown', `Bearer bw_${'0'.repeat(12)}_${'A'.repeat(43)}`, 'no such API key'],
  ])('%s gets a 401 that says so', async (_, authorization, message) => {
    const response = await models(authorization);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    const error = await errorOf(response);
    expect(error).toMatchObject({ status: 401, type: 'authentication_error', code: 'invalid_api_key' });
    expect(error.message).toContain(message);
  });

  test('revoked or expired gets a 401, and a wrong secret says no more than an unknown key', async () => {
    const now = Date.now();
    const expired = await setting.createKey({ expiresAtMs: now - 1 });
    expect((await errorOf(await models(`Bearer ${expired}`))).message).toContain('expired');
    const revoked = await setting.createKey();
    await setting.service.ledger.keys.revoke(revoked.split('_')[1] ?? '', now);
    expect((await errorOf(await models(`Bearer ${revoked}`))).message).toContain('revoked');
    const forged = `${setting.key.slice(0, -43)}${'A'.repeat(43)}`;
    expect((await errorOf(await models(`Bearer ${forged}`))).message).toContain('no such API key');
  });
});

test('a key may name its own models alone, and sees no others', async () => {
  const key = await setting.createKey({ models: [primaryModel] });
  const list = (await (await models(`Bearer ${key}`)).json()) as { data: { id: string }[] };
  expect(list.data.map(({ id }) => id)).toEqual([primaryModel]);
  const refused = await setting.call('/v1/chat/completions', hello, { authorization: `Bearer ${key}` });
  expect(await errorOf(refused)).toMatchObject({ status: 403, code: 'model_not_allowed', param: 'model' });
});

test('an operator key begins no turns', async () => {
  const key = await setting.createKey({ role: 'operator' });
  const refused = await setting.call('/v1/chat/completions', hello, { authorization: `Bearer ${key}` });
  expect(await errorOf(refused)).toMatchObject({ status: 403, code: 'wrong_key_role' });
});

test('each key has its own limit of requests, told on every answer', async () => {
  const limited = `Bearer ${await setting.createKey({ requestsPerMinute: 2 })}`;
  const first = await models(limited);
  expect(first.headers.get('x-ratelimit-limit')).toBe('2');
  expect(first.headers.get('x-ratelimit-remaining')).toBe('1');
  await models(limited);
  const refused = await models(limited);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await errorOf(refused)).toMatchObject({ status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' });
  const other = await models(`Bearer ${await setting.createKey()}`);
  expect(other.status).toBe(200);
  expect(other.headers.get('x-ratelimit-limit')).toBe('5');
});

test('a thousand made-up keys at once do not read the ledger a thousand times, and more are told to wait', async () => {
  const { keys } = setting.service.ledger;
  const text = () => `Bearer bw_${randomBytes(6).toString('hex')}_${'A'.repeat(43)}`;
  const gateway = await setting.startGateway();
  const startedAtMs = performance.now();
  const read = [jest.spyOn(keys, 'find'), jest.spyOn(keys, 'findAll')];
  const statuses = await Promise.all(
    Array.from({ length: 1_000 }, () => models(text(), gateway.url).then(({ status }) => status)),
  );
  const queries = read.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  for (const spy of read) spy.mockRestore();
  await gateway.close();
  expect(new Set(statuses)).toEqual(new Set([401]));
  expect(queries).toBeGreaterThan(0);
  // Ten a second at most, however long the machine takes; a timer may fire a millisecond early.
  expect(queries).toBeLessThanOrEqual((performance.now() - startedAtMs) / 99 + 2);
});

test('a wrong key is a 401 however often it comes, which no client repeats', async () => {
  const tries = Array.from({ length: 100 }, () => models('Bearer sk-guess').then(({ status }) => status));
  expect(new Set(await Promise.all(tries))).toEqual(new Set([401]));
});

describe('/metrics', () => {
  test('count requests and turns', async () => {
    const key = await setting.createKey();
    await setting.call('/v1/chat/completions', hello, { authorization: `Bearer ${key}` });
    const text = await setting.metrics();
    expect(text).toMatch(
      /bellwether_gateway_requests_total\{method="POST",route="\/v1\/chat\/completions",status="200"\} 1/,
    );
    expect(text).toMatch(
      /bellwether_gateway_turns_total\{handler="holysheep",provider="holysheep-primary",outcome="answered"\} 1/,
    );
    expect(text).not.toContain(key);
  });

  test('a metrics key reads them, and nothing else', async () => {
    const headers = { authorization: `Bearer ${await setting.createKey({ role: 'metrics', requestsPerMinute: 100 })}` };
    expect((await fetch(`${setting.gateway.url}/metrics`, { headers })).status).toBe(200);
    const description = await fetch(`${setting.gateway.url}/openapi.json`);
    const { paths } = (await description.json()) as { paths: Record<string, Record<string, unknown>> };
    const open = ['/metrics', '/healthz', '/readyz'];
    const routes = Object.entries(paths)
      .filter(([path]) => !open.includes(path))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path] as const));
    expect(routes.length).toBeGreaterThanOrEqual(5);
    for (const [method, path] of routes) {
      const sent = { ...headers, 'content-type': 'application/json' };
      const body = method === 'POST' ? { body: JSON.stringify(hello) } : {};
      const url = `${setting.gateway.url}${path.replace(/\{\w+\}/, 'any')}`;
      const refused = await fetch(url, { method, headers: method === 'POST' ? sent : headers, ...body });
      expect({ path, ...(await errorOf(refused)) }).toMatchObject({ path, status: 403, code: 'wrong_key_role' });
    }
  });

  test('a key whose role a newer version made may do nothing here', async () => {
    const key = await setting.createKey({ role: 'viewer' as never });
    const headers = { authorization: `Bearer ${key}` };
    expect((await fetch(`${setting.gateway.url}/metrics`, { headers })).status).toBe(403);
    expect((await models(headers.authorization)).status).toBe(403);
  });

  test('need an operator key, also on loopback, where a proxy may pass on what others ask', async () => {
    const ask = (headers: Record<string, string>) => fetch(`${setting.gateway.url}/metrics`, { headers });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ authorization: `Bearer ${await setting.createKey()}` })).status).toBe(403);
    const operator = await setting.createKey({ role: 'operator' });
    expect((await ask({ authorization: `Bearer ${operator}` })).status).toBe(200);
  });

  test('are open where that was asked for', async () => {
    const gateway = await setting.startGateway({ openMetrics: true });
    expect((await fetch(`${gateway.url}/metrics`)).status).toBe(200);
    await gateway.close();
  });
});

test('probes need no key', async () => {
  expect((await fetch(`${setting.gateway.url}/healthz`)).status).toBe(200);
  const ready = () => fetch(`${setting.gateway.url}/readyz`);
  await eventually('its worker is found', async () => (await ready()).status === 200);
  expect(await (await ready()).json()).toEqual({
    status: 'ready',
    ledger: 'ok',
    temporal: 'ok',
    worker: 'ok',
    draining: false,
    missing: [],
  });
});
