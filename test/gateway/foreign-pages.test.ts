import { sendAs } from '../support/send-as';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';

const rebound = { host: 'evil.example:8080' };
const elsewhere = { origin: 'http://evil.example' };

let setting: GatewayService;
beforeAll(async () => {
  // No worker runs: what is refused here is refused at the edge.
  setting = await startGatewayService({
    worker: false,
    configuration: { gateway: { allowedHosts: ['chat.example'] } },
  });
});
afterAll(() => setting.stop());

describe('a gateway on loopback', () => {
  test.each([
    ['GET', '/healthz'],
    ['GET', '/readyz'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/v1/models'],
    ['GET', '/v1/turns/any'],
    ['GET', '/v1/turns/any/stream'],
    ['POST', '/v1/turns/any/feedback'],
    ['POST', '/v1/chat/completions'],
    ['GET', '/v1/chat/completions'],
    ['OPTIONS', '/v1/chat/completions'],
    ['GET', '/no/such/path'],
  ])(
    'refuses %s %s of a page whose name was pointed at this machine, or that is of another origin',
    async (method, path) => {
      for (const [header, headers] of [
        ['host', rebound],
        ['origin', elsewhere],
      ] as const) {
        const body = method === 'POST' ? JSON.stringify(hello) : undefined;
        const all = { authorization: `Bearer ${setting.key}`, 'content-type': 'text/plain', ...headers };
        const answer = await sendAs(`${setting.gateway.url}${path}`, all, { method, body });
        expect(answer.status).toBe(403);
        expect(answer.headers['x-request-id']).toBeTruthy();
        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
        const { error } = JSON.parse(answer.body) as ErrorAnswer;
        expect(error).toMatchObject({ type: 'permission_error', param: header, code: 'foreign_caller' });
        expect(error.message).toMatch(/evil\.example.*gateway\.allowedHosts/);
      }
    },
  );

  test.each(['null', 'file://'])(
    'tells a page of the origin %s what it can do: no name can be allowed',
    async (origin) => {
      const { status, body } = await sendAs(`${setting.gateway.url}/healthz`, { origin });
      const { error } = JSON.parse(body) as ErrorAnswer;
      expect([status, error.code]).toEqual([403, 'foreign_caller']);
      expect(error.message).toContain(`Origin is "${origin}"`);
      expect(error.message).toContain('Serve the page over HTTP from this machine');
      expect(error.message).not.toContain('allowedHosts');
    },
  );

  test.each<Record<string, string>>([
    { origin: 'app://chat.example' },
    { host: 'localhost:1' },
    { host: '[::1]:8080' },
    { origin: 'http://localhost:3000' },
    { host: 'chat.example', origin: 'https://chat.example' },
  ])('answers %j', async (headers) => {
    expect((await sendAs(`${setting.gateway.url}/healthz`, headers)).status).toBe(200);
  });

  test('does not quote a name of any length', async () => {
    const host = `${'a'.repeat(5_000)}.example`;
    const { body } = await sendAs(`${setting.gateway.url}/healthz`, { host });
    expect(body.length).toBeLessThan(500);
  });
});

test('a gateway that other machines reach answers under any name, as proxies give it', async () => {
  const gateway = await setting.startGateway({ host: '0.0.0.0' });
  try {
    const url = `http://127.0.0.1:${new URL(gateway.url).port}/healthz`;
    expect((await sendAs(url, { ...rebound, ...elsewhere })).status).toBe(200);
  } finally {
    await gateway.close();
  }
});
