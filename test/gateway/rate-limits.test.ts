import pino from 'pino';
import { openRequestCounter } from '../../src/open-request-counter';
import { eventually } from '../support/eventually';
import { describeWithRedis, startRedis, type TestRedis } from '../support/redis';
import { type GatewayService, startGatewayService } from './gateway-service';

describeWithRedis('limits over Redis', () => {
  let redis: TestRedis;
  let setting: GatewayService;
  beforeAll(async () => {
    redis = await startRedis({ password: 'hunter2' });
    setting = await startGatewayService({ worker: false, redisUrl: redis.url });
  });
  afterAll(async () => {
    await setting.stop();
    await redis.stop();
  });

  const ask = (url: string, key: string) =>
    fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } }).then(({ status }) => status);

  test('are counted over all gateways together, and hold nobody back while Redis is away', async () => {
    const counter = await openRequestCounter(redis.url, pino({ level: 'silent' }));
    const other = await setting.startGateway({ redis: counter });
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

    redis.pause();
    expect(await ask(setting.gateway.url, key)).toBe(200);
    redis.resume();
    expect(setting.logged.join('')).not.toContain('hunter2');
    await other.close();
    counter.disconnect();
  });

  test('are not counted with a wrong password, which stands in no log', async () => {
    const url = new URL(redis.url);
    url.password = 'correct-horse-battery';
    const logged: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) });
    const counter = await openRequestCounter(url.href, logger);
    const gateway = await setting.startGateway({ redis: counter, logger });
    const key = await setting.createKey({ requestsPerMinute: 1 });
    expect([await ask(gateway.url, key), await ask(gateway.url, key)]).toEqual([200, 200]);
    expect(logged.join('')).toContain('cannot be used (WRONGPASS)');
    expect(logged.join('')).not.toContain('correct-horse-battery');
    await gateway.close();
    counter.disconnect();
  });
});
