import { once } from 'node:events';
import type { Redis } from 'ioredis';
import pino from 'pino';
import { openRequestCounter } from '../../src/services/gateway';
import { eventually } from '../support/eventually';
import { describeWithRedis, startRedis, type TestRedis } from '../support/redis';
import { type GatewayService, startGatewayService } from './gateway-service';

/** What Redis does not answer within half a second is not counted; here Redis, and this process, may be held up for longer. */
const patienceMs = 60_000;
const patient = { commandTimeout: patienceMs, socketTimeout: patienceMs, connectTimeout: patienceMs } as const;

describeWithRedis('limits over Redis', () => {
  let redis: TestRedis;
  let setting: GatewayService;
  const counters: Redis[] = [];
  beforeAll(async () => {
    redis = await startRedis({ password: 'hunter2' });
    setting = await startGatewayService({ worker: false, redis: await startCounter() });
  });
  afterAll(async () => {
    await setting.stop();
    for (const counter of counters) counter.disconnect();
    await redis.stop();
  });

  async function startCounter(): Promise<Redis> {
    const counter = await openRequestCounter(redis.url, pino({ level: 'silent' }), patient);
    counters.push(counter);
    if (counter.status !== 'ready') await once(counter, 'ready');
    return counter;
  }

  const ask = (url: string, key: string) =>
    fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } }).then(({ status }) => status);

  test('are counted over all gateways together, and hold nobody back while Redis is away', async () => {
    const other = await setting.startGateway({ redis: await startCounter() });
    const key = await setting.createKey({ requestsPerMinute: 2 });
    const statuses = [
      await ask(setting.gateway.url, key),
      await ask(other.url, key),
      await ask(setting.gateway.url, key),
    ];
    expect(statuses).toEqual([200, 200, 429]);
    expect(await ask(other.url, key)).toBe(429);

    await redis.kill();
    expect(await ask(setting.gateway.url, key)).toBe(200);
    await redis.restart('kept');
    await eventually('requests are counted again', async () => (await ask(setting.gateway.url, key)) === 429);
    await other.close();
  });

  test('hold nobody back while Redis hangs, and its password stands in no log', async () => {
    const logged: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
    const counter = await openRequestCounter(redis.url, logger);
    counters.push(counter);
    const gateway = await setting.startGateway({ redis: counter, logger });
    const key = await setting.createKey({ requestsPerMinute: 1 });
    await eventually('requests are counted', async () => (await ask(gateway.url, key)) === 429);
    redis.pause();
    try {
      expect(await ask(gateway.url, key)).toBe(200);
    } finally {
      redis.resume();
    }
    await gateway.close();
    expect(logged.join('') + setting.logged.join('')).not.toContain('hunter2');
  });

  test('are not counted with a wrong password, which stands in no log', async () => {
    const url = new URL(redis.url);
    url.password = 'correct-horse-battery';
    const logged: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
    const counter = await openRequestCounter(url.href, logger, patient);
    counters.push(counter);
    const gateway = await setting.startGateway({ redis: counter, logger });
    const key = await setting.createKey({ requestsPerMinute: 1 });
    expect([await ask(gateway.url, key), await ask(gateway.url, key)]).toEqual([200, 200]);
    await eventually('that is logged', () => logged.join('').includes('is unavailable (WRONGPASS)'));
    expect(logged.join('')).not.toContain('correct-horse-battery');
    await gateway.close();
  });
});
