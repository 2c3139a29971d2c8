import type { Completion } from '../../src/gateway/completion';
import { eventually } from '../support/eventually';
import { type ErrorAnswer, hello } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService();
});
afterAll(() => setting.stop());
beforeEach(() => setting.model.hold());

const post = (url: string, body: object) =>
  fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ user: heldUser, ...body }),
  });

const complete = (url: string, changes: object = {}) => post(`${url}/v1/chat/completions`, { ...hello, ...changes });

const respond = (url: string) =>
  post(`${url}/v1/responses`, { model: hello.model, input: hello.messages[0].content, stream: true });

const untilCalled = (calls: number) => eventually('the model is asked', () => setting.model.callCount() >= calls);

test('a gateway that stops answers what it has begun, and sends everybody else away', async () => {
  const gateway = await setting.startGateway({ limits: { drainMs: 60_000 } });
  const plain = complete(gateway.url);
  const streamed = complete(gateway.url, { stream: true });
  const responding = respond(gateway.url);
  await untilCalled(3);
  const closed = gateway.close();

  const ready = await fetch(`${gateway.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ status: 'not_ready', draining: true });
  const refused = await complete(gateway.url);
  expect(refused.status).toBe(503);
  expect(refused.headers.get('connection')).toBe('close');
  expect(((await refused.json()) as ErrorAnswer).error.code).toBe('gateway_stopping');

  setting.model.release();
  expect(((await (await plain).json()) as Completion).object).toBe('chat.completion');
  expect(await (await streamed).text()).toContain('data: [DONE]');
  expect(await (await responding).text()).toContain('event: response.completed');
  await closed;
  await expect(fetch(`${gateway.url}/healthz`)).rejects.toThrow('fetch failed');
});

test('what is not answered in time is told so, and its turn goes on', async () => {
  const gateway = await setting.startGateway({ limits: { drainMs: 100, holdHeadersMs: 50 } });
  const plain = complete(gateway.url);
  const streamed = await complete(gateway.url, { stream: true });
  const responding = await respond(gateway.url);
  await untilCalled(3);
  await gateway.close();

  const refused = await plain;
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-should-retry')).toBe('false');
  expect(((await refused.json()) as ErrorAnswer).error.code).toBe('gateway_stopping');
  const text = await streamed.text();
  expect(text).toContain('"code":"gateway_stopping"');
  expect(text).not.toContain('[DONE]');
  // Its stream has failed, and not the response, which goes on.
  const events = await responding.text();
  expect(events).toMatch(/event: error\ndata: .*"code":"gateway_stopping"/);
  expect(events).not.toMatch(/response\.(completed|failed)/);

  const turnId = refused.headers.get('x-bellwether-turn-id') ?? '';
  setting.model.release();
  await eventually(
    'the turn is answered',
    async () => (await setting.service.ledger.requests.find(turnId))?.outcome === 'answered',
  );
});

test('a gateway without requests stops at once, also with idle connections', async () => {
  const gateway = await setting.startGateway();
  await (await fetch(`${gateway.url}/healthz`)).text();
  const startedAtMs = performance.now();
  await gateway.close();
  // Idle connections are kept for 65 s otherwise.
  expect(performance.now() - startedAtMs).toBeLessThan(30_000);
});

test('a gateway that has its limit of open requests says so', async () => {
  const gateway = await setting.startGateway({ limits: { maxOpenRequests: 1 } });
  const first = complete(gateway.url);
  await untilCalled(1);
  const second = await complete(gateway.url);
  expect(second.status).toBe(503);
  expect(((await second.json()) as ErrorAnswer).error.code).toBe('overloaded');
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
  setting.model.release();
  expect((await first).status).toBe(200);
  await gateway.close();
});

test('a request whose client left is open until its turn has ended', async () => {
  const loggedBefore = setting.logged.length;
  const gateway = await setting.startGateway({ limits: { maxOpenRequests: 1 } });
  const leaving = new AbortController();
  const left = fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    signal: leaving.signal,
    headers: { authorization: `Bearer ${setting.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...hello, user: heldUser }),
  });
  await untilCalled(1);
  leaving.abort();
  await expect(left).rejects.toThrow('aborted');
  await eventually('the gateway has noticed', () =>
    setting.logged.slice(loggedBefore).some((line) => line.includes('"status":499')),
  );
  const refused = await complete(gateway.url);
  expect(refused.status).toBe(503);
  expect(((await refused.json()) as ErrorAnswer).error.code).toBe('overloaded');
  setting.model.release();
  await eventually('its turn has ended', async () => (await complete(gateway.url)).status === 200);
  await gateway.close();
});
