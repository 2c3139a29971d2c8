import { LedgerUnavailableError } from '../../src/contract/ledger';
import type { Gateway, GatewayOptions } from '../../src/gateway/gateway';
import { eventually } from '../support/eventually';
import { startOwnTemporal } from '../support/temporal';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';

/** A gateway that looks all the time, for tests that wait for what it finds. */
const eager = { lookEveryMs: 50, readinessMs: 10_000 } as const;
const neverMs = 24 * 60 * 60_000;

interface Readiness {
  readonly status: string;
  readonly ledger: string;
  readonly temporal: string;
  readonly worker: string;
  readonly missing: readonly string[];
}

async function readiness(gateway: Gateway): Promise<Readiness & { readonly httpStatus: number }> {
  const response = await fetch(`${gateway.url}/readyz`);
  return { httpStatus: response.status, ...((await response.json()) as Readiness) };
}

function complete(gateway: Gateway, key: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(hello),
  });
}

async function expectRefusal(response: Response, missing: string): Promise<void> {
  const { error } = (await response.json()) as ErrorAnswer;
  expect([response.status, error.code]).toEqual([503, 'turns_cannot_begin']);
  expect(error.message).toContain(missing);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(response.headers.get('x-bellwether-turn-id')).toBeNull();
}

describe('a gateway without a worker', () => {
  let setting: GatewayService;
  let gateway: Gateway;
  beforeEach(async () => {
    setting = await startGatewayService({ worker: false });
  });
  afterEach(async () => {
    await gateway.close();
    await setting.stop();
  });

  test('is not ready, and says what is missing', async () => {
    gateway = await setting.startGateway({ limits: eager });
    expect(await readiness(gateway)).toMatchObject({
      httpStatus: 503,
      status: 'not_ready',
      ledger: 'ok',
      temporal: 'ok',
      worker: 'failed',
      missing: ['No worker polls for turns.'],
    });
    await setting.service.startWorker();
    await eventually('it is ready', async () => (await readiness(gateway)).httpStatus === 200);
    expect(await readiness(gateway)).toMatchObject({ status: 'ready', worker: 'ok', missing: [] });
  });

  test('keeps turns for a worker that may be restarting', async () => {
    gateway = await setting.startGateway({ limits: { ...eager, refuseAfterMs: neverMs } });
    await eventually('the worker is missed', async () => (await readiness(gateway)).worker === 'failed');
    const answer = complete(gateway, setting.key);
    await eventually('the turn waits for a worker', async () => {
      const { workflow } = setting.service.temporal;
      const query = `TaskQueue = '${setting.service.settings.temporal.taskQueue}'`;
      return (await workflow.count(query)).count === 1;
    });
    await setting.service.startWorker();
    expect((await answer).status).toBe(200);
  });

  test('refuses new turns at once when no worker has come for longer, and joins those that were begun', async () => {
    const patient = await setting.startGateway({ limits: { ...eager, refuseAfterMs: neverMs } });
    const begun = complete(patient, setting.key, { 'idempotency-key': 'begun' });
    await eventually(
      'the turn is begun',
      async () => (await setting.service.ledger.requests.findByKey(keyId(), 'begun')) !== null,
    );
    gateway = await setting.startGateway({ limits: { ...eager, refuseAfterMs: 0 } });
    await eventually('the worker is missed', async () => (await readiness(gateway)).worker === 'failed');

    await expectRefusal(await complete(gateway, setting.key), 'No worker');
    const joined = complete(gateway, setting.key, { 'idempotency-key': 'begun' });
    await setting.service.startWorker();
    const answers = await Promise.all([begun, joined]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    await eventually('the worker is seen', async () => (await readiness(gateway)).httpStatus === 200);
    expect((await complete(gateway, setting.key)).status).toBe(200);
    await patient.close();
  });

  function keyId(): string {
    return setting.key.split('_')[1] ?? '';
  }
});

describe('a gateway that looks for what turns need', () => {
  let setting: GatewayService;
  beforeAll(async () => {
    setting = await startGatewayService();
  });
  afterAll(() => setting.stop());

  const recordFeedback: GatewayOptions['ledger']['recordFeedback'] = (feedback) =>
    setting.service.ledger.recordFeedback(feedback);

  function startWith(
    check: GatewayOptions['ledger']['check'],
    limits: NonNullable<GatewayOptions['limits']>,
  ): Promise<Gateway> {
    const { keys, requests, sessions } = setting.service.ledger;
    return setting.startGateway({ ledger: { keys, requests, sessions, recordFeedback, check }, limits });
  }

  test('refuses turns as soon as the ledger needs somebody, and takes them when it is well', async () => {
    let isFull = true;
    const gateway = await startWith(async () => {
      if (isFull) throw new LedgerUnavailableError('The disk is full.', { isLasting: true });
    }, eager);
    expect(await readiness(gateway)).toMatchObject({
      httpStatus: 503,
      ledger: 'failed',
      missing: expect.arrayContaining(['The ledger does not take writes.']),
    });
    await expectRefusal(await complete(gateway, setting.key), 'The ledger');
    isFull = false;
    await eventually('it is ready', async () => (await readiness(gateway)).httpStatus === 200);
    expect((await complete(gateway, setting.key)).status).toBe(200);
    await gateway.close();
  });

  test('waits for a ledger that is away for a moment', async () => {
    const gateway = await startWith(() => Promise.reject(new LedgerUnavailableError('No answer.')), eager);
    expect((await readiness(gateway)).ledger).toBe('failed');
    expect((await complete(gateway, setting.key)).status).toBe(200);
    await gateway.close();
  });

  test('refuses a turn within seconds when the ledger has been missing for long and does not even answer for its key', async () => {
    const { requests, sessions, keys: answering } = setting.service.ledger;
    const silent = () => new Promise<never>(() => undefined);
    const keys = Object.assign(Object.create(answering) as typeof answering, { find: silent, findAll: silent });
    const check = () => Promise.reject(new LedgerUnavailableError('No answer.'));
    const limits = { lookEveryMs: 50, refuseAfterMs: 0, readinessMs: 1_000 };
    const gateway = await setting.startGateway({ ledger: { keys, requests, sessions, recordFeedback, check }, limits });
    await eventually('it is missed', async () => (await readiness(gateway)).ledger === 'failed');
    const refused = await complete(gateway, setting.key);
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: 'ledger_unavailable' } }]);
    await gateway.close();
  });

  test('looks once for any number of probes', async () => {
    let checks = 0;
    const gateway = await startWith(async () => void (checks += 1), { lookEveryMs: neverMs });
    await Promise.all(Array.from({ length: 50 }, () => readiness(gateway)));
    expect(checks).toBe(1);
    await gateway.close();
  });

  test('answers a probe although the ledger never answers', async () => {
    const silent = () => new Promise<void>(() => undefined);
    const gateway = await startWith(silent, { lookEveryMs: neverMs, readinessMs: 100 });
    expect(await readiness(gateway)).toMatchObject({ httpStatus: 503, ledger: 'failed' });
    await gateway.close();
  });
});

test('a gateway whose Temporal is away is not ready, and refuses turns once it is away for long', async () => {
  const temporal = await startOwnTemporal();
  const setting = await startGatewayService({ temporal });
  const gateway = await setting.startGateway({ limits: { lookEveryMs: 50, readinessMs: 1_000, refuseAfterMs: 0 } });
  try {
    await eventually('it is ready', async () => (await readiness(gateway)).httpStatus === 200);
    await temporal.kill();
    await eventually('Temporal is missed', async () => (await readiness(gateway)).temporal === 'failed');
    const found = await readiness(gateway);
    expect(found).toMatchObject({ httpStatus: 503, worker: 'unknown', missing: ['Temporal does not take new turns.'] });
    await expectRefusal(await complete(gateway, setting.key), 'Temporal');
  } finally {
    await gateway.close();
    await setting.stop().catch(() => undefined);
  }
});
