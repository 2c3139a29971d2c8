import { Redis } from 'ioredis';
import { checkLedgerDirectory } from '../../config/data-directory';
import type { Settings } from '../../config/settings';
import { LedgerNotMigratedError, openLedger } from '../../ledger/open-ledger';
import { describeRedisFailure } from '../../streams/redis-connection';
import type { Check, CheckOutcome } from './check';

/** A database that restarts may take longer, and a check is to say so rather than to wait for it. */
const giveUpAfterMs = 10_000;

const setupAdvice = 'Run: npx bellwether setup; or start a worker, which does the same to the ledger.';

/** Opens the ledger, and changes nothing in it: what is pending is told. */
export function ledgerCheck({ databaseUrl, dataDirectory }: Settings): Check {
  return {
    name: 'Ledger',
    advice: databaseUrl ? 'Is DATABASE_URL right, and the database up?' : `May this user write in ${dataDirectory}?`,
    async run() {
      checkLedgerDirectory({ databaseUrl, dataDirectory });
      try {
        const ledger = await openLedger({ databaseUrl, dataDirectory, giveUpAfterMs }, { migrate: false });
        try {
          return { status: 'ok', detail: await ledger.check() };
        } finally {
          await ledger.close();
        }
      } catch (error) {
        if (error instanceof LedgerNotMigratedError) return notMigrated(error);
        throw error;
      }
    },
  };
}

function notMigrated({ database, isAbsent, pending }: LedgerNotMigratedError): CheckOutcome {
  if (isAbsent) return { status: 'skipped', detail: `${database}, made by the first start or by setup` };
  const detail = `${database} is older than this program, pending: ${pending.join(', ')}`;
  return { status: 'failed', detail, advice: setupAdvice };
}

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

/** The keys were checked when the settings were read; here it is said what they are used for. */
export function encryptionCheck({ encryption }: Settings): Check {
  return {
    name: 'Encryption',
    advice: 'See BELLWETHER_ENCRYPTION_KEYS in .env.example.',
    run() {
      if (encryption === undefined) {
        return {
          status: 'skipped',
          detail: 'off: Temporal stores messages as they are',
          advice: 'BELLWETHER_ENCRYPTION_KEYS=my-key:$(openssl rand -base64 32) encrypts them.',
        };
      }
      const older = encryption.keys.size - 1;
      return { status: 'ok', detail: `on, with key ${encryption.activeKeyId}; ${older} more can decrypt` };
    },
  };
}
