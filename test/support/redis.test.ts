import { Redis } from 'ioredis';
import { describeWithRedis, startRedis } from './redis';

describeWithRedis('the tests’ own Redis', () => {
  test.each([
    { data: 'kept', value: 'text' },
    { data: 'lost', value: null },
  ] as const)('is at the same address after a kill, with its data $data', async ({ data, value }) => {
    const redis = await startRedis({ password: 'hunter2 %' });
    try {
      const ask = async (question: (client: Redis) => Promise<unknown>) => {
        const client = new Redis(redis.url, { lazyConnect: true, retryStrategy: null, connectTimeout: 50_000 });
        client.on('error', () => undefined);
        return question(client).finally(() => client.status !== 'end' && client.disconnect());
      };
      await ask((client) => client.set('key', 'text'));
      await redis.kill();
      await expect(ask((client) => client.get('key'))).rejects.toThrow();
      await redis.restart(data);
      expect(await ask((client) => client.get('key'))).toBe(value);
    } finally {
      await redis.stop();
    }
  });
});
