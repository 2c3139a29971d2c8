import { Redis } from 'ioredis';
import { checkDataDirectory, checkLedgerDirectory } from '../../config/data-directory';
import type { Settings } from '../../config/settings';
import { LedgerNotMigratedError, openLedger } from '../../ledger/open-ledger';
import { requireDiskSpace } from '../../platform/disk-space';
import { describeRedisFailure } from '../../streams/redis-connection';
import type { Check, CheckOutcome } from './check';

/** A restarting database may take longer; the check then reports that instead of waiting. */
export const giveUpAfterMs = 10_000;

const setupAdvice = 'Run: npx bellwether setup; or start a worker, which migrates the ledger too.';

/** The directory of the SQLite ledger and the embedded Temporal server. */
export function dataDirectoryCheck({ databaseUrl, temporal, dataDirectory }: Settings): Check {
  return {
    name: 'Data directory',
    advice: 'Free some space on that disk, or name another directory with BELLWETHER_DATA_DIR.',
    async run() {
      if (databaseUrl !== undefined && temporal.address !== undefined) {
        return { status: 'skipped', detail: 'not in use: the ledger is in PostgreSQL, and Temporal runs elsewhere' };
      }
      const freeMiB = await requireDiskSpace(checkDataDirectory(dataDirectory));
      return { status: 'ok', detail: `${dataDirectory} can be written; ${freeMiB} MiB of its disk are free` };
    },
  };
}

/** Opens the ledger without migrating it, writes to it without leaving a row, and reports pending migrations. */
export function ledgerCheck({ databaseUrl, dataDirectory }: Settings): Check {
  return {
    name: 'Ledger',
    advice: databaseUrl ? 'Is DATABASE_URL right? Is the database up?' : `Can this user write to ${dataDirectory}?`,
    async run() {
      checkLedgerDirectory({ databaseUrl, dataDirectory });
      try {
        const ledger = await openLedger({ databaseUrl, dataDirectory, giveUpAfterMs }, { migrate: false });
        try {
          await ledger.check();
          return { status: 'ok', detail: `${ledger.database} takes writes` };
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
  if (isAbsent) return { status: 'skipped', detail: `${database}: the first start or setup creates it` };
  const detail = `${database} is older than this program; pending migrations: ${pending.join(', ')}`;
  return { status: 'failed', detail, advice: setupAdvice };
}

/** Redis answers within a millisecond. This leaves time for a stalled machine; what takes longer is not Redis. */
const pingTimeoutMs = 10_000;

export function redisCheck({ redisUrl }: Settings): Check {
  return {
    name: 'Redis',
    advice: 'Is REDIS_URL right? Is Redis up?',
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
    const advice = 'Are the user and password in REDIS_URL right?';
    return { status: 'failed', detail: `${where} refuses: ${describeRedisFailure(error)}`, advice };
  }
}

/** Tries once, over its own connection. Rejects with the first error. */
async function ping(redisUrl: string): Promise<void> {
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false, // INFO may be forbidden where PING is not
    retryStrategy: null,
    disconnectTimeout: 100, // no request is in flight that could be lost
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

/** Redis answered, but with an error. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** The keys were checked when the settings were read; this only reports their ids. */
export function auditKeysCheck({ auditKeys }: Settings): Check {
  return {
    name: 'Audit trail',
    advice: 'See BELLWETHER_AUDIT_KEYS in .env.example.',
    run() {
      if (auditKeys === undefined) {
        return {
          status: 'skipped',
          detail: 'no key: anyone who can write to the ledger can rewrite the record of all rollouts',
          advice:
            'To prevent that, set BELLWETHER_AUDIT_KEYS=my-key:$(openssl rand -base64 32), the same in all workers.',
        };
      }
      const older = auditKeys.keys.size - 1;
      return { status: 'ok', detail: `hashed with key ${auditKeys.activeKeyId}; ${older} more can verify` };
    },
  };
}

/** The keys were checked when the settings were read; this only reports how they are used. */
export function encryptionCheck({ encryption }: Settings): Check {
  return {
    name: 'Encryption',
    advice: 'See BELLWETHER_ENCRYPTION_KEYS in .env.example.',
    run() {
      if (encryption === undefined) {
        return {
          status: 'skipped',
          detail: 'off: Temporal stores messages unencrypted',
          advice: 'BELLWETHER_ENCRYPTION_KEYS=my-key:$(openssl rand -base64 32) encrypts them.',
        };
      }
      const older = encryption.keys.size - 1;
      return {
        status: 'ok',
        detail: `on, with key ${encryption.activeKeyId}; ${older} more can decrypt${encryption.strict ? '; what is not encrypted is refused' : ''}`,
      };
    },
  };
}
