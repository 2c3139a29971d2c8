import { setTimeout as delay } from 'node:timers/promises';
import { DeadlineExceededError, TurnNotFoundError, TurnTooLateError } from '../../src/client';
import { turnName } from '../../src/contract/names';
import { type GatewayService, hello, startGatewayService } from '../gateway/gateway-service';
import { admitRequest } from '../ledger/requests';
import { startRecordingProvider } from '../support/recording-provider';
import { prepareService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** Turns that nobody waits for any more by the time a worker is back must not be bought. */
let service: Service;
beforeEach(async () => {
  service = await prepareService();
});
afterEach(() => service.stop());

const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
const shortMs = 2_000;

/** The clocks of caller and Temporal may differ by a second. */
const untilStaleMs = shortMs + 1_500;

async function untilStale(sentAtMs: number): Promise<void> {
  await delay(Math.max(0, sentAtMs + untilStaleMs - Date.now()));
}

const endOf = (call: Promise<unknown>) => call.catch((error: unknown) => error);

const lost = (call: Promise<unknown>) => expect(call).rejects.toThrow(DeadlineExceededError);

test('turns that were queued while no worker ran are ended, not bought, and one with time left is answered', async () => {
  const turnIds = Array.from({ length: 10 }, () => unique('turn'));
  const sessionIds = turnIds.map(() => unique('session'));
  const sentAtMs = Date.now();
  const patient = unique('patient');
  const answered = service.client.complete({ turnId: patient, messages });
  await Promise.all([
    ...turnIds.map((turnId) => lost(service.client.complete({ turnId, messages, deadlineMs: shortMs }))),
    ...sessionIds.map((sessionId, index) =>
      lost(service.client.send({ sessionId, turnId: turnIds[index]!, content: 'Hello', deadlineMs: shortMs })),
    ),
  ]);
  await untilStale(sentAtMs);
  await service.startWorker();

  await expect(answered).resolves.toMatchObject({ success: true });
  const ends = await Promise.all([
    ...turnIds.map((turnId) => endOf(service.client.turn(turnId))),
    ...turnIds.map((turnId, index) => endOf(service.client.turn(turnId, { sessionId: sessionIds[index]! }))),
  ]);
  // On a busy machine some never reached Temporal.
  expect(ends.filter((end) => !(end instanceof TurnTooLateError || end instanceof TurnNotFoundError))).toEqual([]);
  expect(ends.some((end) => end instanceof TurnTooLateError)).toBe(true);
  const calls = await service.simulator.calls();
  expect(calls).toHaveLength(1);
  const rows = await service.ledger.attempts();
  expect(rows.map(({ turnName: name }) => name)).toEqual([patient]);
});

test('a turn that came too late is answered when its caller sends it again, once, whoever sends it', async () => {
  const turnId = unique('turn');
  const sessionId = unique('session');
  const stale = [
    service.client.complete({ turnId, messages, deadlineMs: shortMs }),
    service.client.send({ sessionId, turnId, content: 'Hello', deadlineMs: shortMs }),
  ];
  const sentAtMs = Date.now();
  await Promise.all(stale.map(lost));
  await untilStale(sentAtMs);
  await service.startWorker();

  const again = () => [
    service.client.complete({ turnId, messages }),
    service.client.send({ sessionId, turnId, content: 'Hello' }),
  ];
  const replies = await Promise.all([...again(), ...again()]);
  expect(replies.map(({ success }) => success)).toEqual([true, true, true, true]);
  expect(await Promise.all(again())).toEqual(replies.slice(0, 2));
  await expect(service.client.turn(turnId)).resolves.toEqual(replies[0]);
  await expect(service.client.turn(turnId, { sessionId })).resolves.toEqual(replies[1]);
  expect(await service.simulator.calls()).toHaveLength(2);
});

test('a turn that came too late leaves nothing in its session, and the next ones go on', async () => {
  const provider = await startRecordingProvider();
  const recorded = await prepareService({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl } });
  try {
    const sessionId = unique('session');
    const worker = await recorded.startWorker();
    await recorded.client.send({ sessionId, turnId: 'first', content: 'My order is 42.' });
    await worker.stop();

    const sentAtMs = Date.now();
    await lost(recorded.client.send({ sessionId, turnId: 'late', content: 'Cancel it.', deadlineMs: shortMs }));
    await untilStale(sentAtMs);
    await recorded.startWorker();
    await recorded.client.send({ sessionId, turnId: 'next', content: 'Where is it?' });

    const { turns } = await recorded.client.transcript(sessionId);
    expect(turns.map(({ turnId }) => turnId)).toEqual(['first', 'next']);
    const asked = provider.requests.map(({ messages: seen }) => seen.map(({ content }) => content));
    expect(asked).toEqual([['My order is 42.'], ['My order is 42.', 'answer 1', 'Where is it?']]);
    await expect(recorded.ledger.attempts(turnName('late', sessionId))).resolves.toEqual([]);
  } finally {
    await recorded.stop();
    await provider.close();
  }
});

test('a turn that was admitted in time goes on, however late its worker is replaced', async () => {
  const turnId = unique('turn');
  const sentAtMs = Date.now();
  await lost(service.client.complete({ turnId, messages, deadlineMs: shortMs }));
  // By a worker that died during its call.
  await service.ledger.admit(admitRequest(turnId, 1_000_000, { sessionId: null, userId: null, atMs: sentAtMs }));
  await untilStale(sentAtMs);
  await service.startWorker();
  await expect(service.client.turn(turnId)).resolves.toMatchObject({ success: true });
});

test('a caller whose clock is behind is answered while it waits', async () => {
  await service.startWorker();
  const realNow = Date.now;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => realNow() - 600_000);
  try {
    const turnId = unique('turn');
    const sessionId = unique('session');
    const replies = await Promise.all([
      service.client.complete({ turnId, messages }),
      service.client.send({ sessionId, turnId, content: 'Hello' }),
    ]);
    expect(replies.map(({ success }) => success)).toEqual([true, true]);
  } finally {
    clock.mockRestore();
  }
  expect(await service.simulator.calls()).toHaveLength(2);
});

describe('through the gateway', () => {
  let setting: GatewayService;
  beforeEach(async () => {
    setting = await startGatewayService({ worker: false });
  });
  afterEach(() => setting.stop());

  test('a client that says how long it waits is not charged afterwards, and its key can be used again', async () => {
    const headers = { 'idempotency-key': 'order-42', 'x-stainless-timeout': '2' };
    const sentAtMs = Date.now();
    const late = setting.call('/v1/chat/completions', hello, headers);
    await untilStale(sentAtMs);
    await setting.service.startWorker();
    const ended = await late;
    expect([ended.status, ended.headers.get('x-should-retry')]).toEqual([503, null]);
    expect(Number(ended.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await ended.json()).toMatchObject({ error: { code: 'turn_too_late' } });
    expect(await setting.service.simulator.calls()).toHaveLength(0);

    const again = await setting.call('/v1/chat/completions', hello, headers);
    expect(await again.json()).toMatchObject({ object: 'chat.completion' });
    expect(await setting.service.simulator.calls()).toHaveLength(1);
  });

  test('a header that names no time changes nothing', async () => {
    await setting.service.startWorker();
    const statuses = ['nonsense', '-1', '0', '1e300', ''].map(async (seconds) => {
      const answered = await setting.call('/v1/chat/completions', hello, { 'x-stainless-timeout': seconds });
      return answered.status;
    });
    expect(await Promise.all(statuses)).toEqual([200, 200, 200, 200, 200]);
  });
});
