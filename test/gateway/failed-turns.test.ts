import { faults } from '../../src/local/simulator/behaviour';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService, oneAttempt } from './gateway-service';

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({
    configuration: {
      retry: oneAttempt,
      breaker: { failures: 1000 },
    },
  });
});
afterAll(() => setting.stop());
afterEach(() => setting.service.simulator.setBehaviour('*', { alwaysFault: null }));

type Failure = ErrorAnswer['error'] & { degraded_reply?: string; bellwether?: object };

async function failure(response: Response): Promise<Failure> {
  return ((await response.json()) as { error: Failure }).error;
}

test.each([
  ['a prompt that fits no model', faults.contextLength(), 400, 'context_length_exceeded'],
  ['refused content', faults.contentFilter('No poems about tarragon.'), 400, 'content_filter'],
  ['a limit of the provider', faults.rateLimited(), 503, 'provider_rate_limited'],
  ['a provider that is down', faults.serverError(503), 503, 'provider_unavailable'],
  ['a key that the provider refuses', { kind: 'status', status: 401 } as const, 502, 'provider_unauthorized'],
  ['an answer that is none', { kind: 'html' } as const, 502, 'provider_bad_response'],
  ['a request that the provider refuses', { kind: 'status', status: 404 } as const, 502, 'provider_refused_request'],
])('%s is an error with the degraded reply beside it', async (_, fault, status, code) => {
  await setting.service.simulator.setBehaviour('*', { alwaysFault: fault });
  const response = await setting.call('/v1/chat/completions', hello);
  const error = await failure(response);
  expect({ status: response.status, code: error.code }).toEqual({ status, code });
  expect(response.headers.get('x-should-retry')).toBe('false');
  expect(error.degraded_reply).toContain('sorry');
  expect(error.bellwether).toMatchObject({
    provider: 'degraded-mode',
    turn_id: response.headers.get('x-bellwether-turn-id'),
  });
});

test("the provider's reason for refused content reaches the caller", async () => {
  await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.contentFilter('No poems about tarragon.') });
  const error = await failure(await setting.call('/v1/chat/completions', hello));
  expect(error.message).toContain('No poems about tarragon.');
});

test('a stream that fails before its first byte has the same status', async () => {
  await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.contextLength() });
  const response = await setting.call('/v1/chat/completions', { ...hello, stream: true });
  expect(response.status).toBe(400);
  expect((await failure(response)).code).toBe('context_length_exceeded');
});

test('a repeated request gets the same failure, without another call', async () => {
  await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(500) });
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const first = await (await setting.call('/v1/chat/completions', hello, headers)).text();
  await setting.service.simulator.clearCalls();
  expect(await (await setting.call('/v1/chat/completions', hello, headers)).text()).toBe(first);
  expect(await setting.service.simulator.calls()).toHaveLength(0);
});

test('a used-up budget is a 402 that no client repeats, plain and streamed', async () => {
  const key = await setting.createKey({ totalNanoUsd: 1 });
  for (const stream of [false, true]) {
    const response = await setting.call(
      '/v1/chat/completions',
      { ...hello, stream },
      { authorization: `Bearer ${key}` },
    );
    expect(response.status).toBe(402);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await failure(response)).toMatchObject({
      type: 'insufficient_quota',
      code: 'insufficient_quota',
      message: expect.stringContaining('00:00 UTC') as string,
    });
  }
});
