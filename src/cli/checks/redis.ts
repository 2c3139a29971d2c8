import { Redis } from 'ioredis';
import type { Settings } from '../../config/settings';
import { describeRedisFailure } from '../../streams/redis-failure';
import type { Check, CheckOutcome } from './check';

/** Redis answers within a millisecond. What takes longer than this is no Redis: even a machine that stands still is done then. */
const pingTimeoutMs = 10_000;

export function redisCheck({ redisUrl }: Settings): Check {
  return {
    name: 'Redis',
    advice: 'Is REDIS_URL right, and Redis up?',
    run() {
      if (redisUrl === undefined) return { status: 'skipped', detail: 'not in use: REDIS_URL is not set' };
      return examine(redisUrl);
    },
  };
}

async function examine(redisUrl: string): Promise<CheckOutcome> {
  const { hostname, port } = new URL(redisUrl);
  const where = `${hostname}:${port || 6379}`;
  try {
    await ping(redisUrl);
    return { status: 'ok', detail: where };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const advice = 'Are user and password in REDIS_URL right?';
    return { status: 'failed', detail: `${where} refuses: ${describeRedisFailure(error)}`, advice };
  }
}

/** One try, over a connection of its own. Rejects with the first reason that there is. */
async function ping(redisUrl: string): Promise<void> {
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false, // INFO may be forbidden where PING is not
    retryStrategy: null,
    disconnectTimeout: 100, // nothing is under way that would be lost
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${pingTimeoutMs / 1000} s`)), pingTimeoutMs);
      redis.on('error', reject);
      redis.ping().then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    if (redis.status !== 'end') redis.disconnect();
  }
}

/** Redis answered, but not with what was asked for. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}
