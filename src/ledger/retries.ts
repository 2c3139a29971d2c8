import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { errorMessage } from '../contract/failures';
import { LedgerUnavailableError } from '../contract/ledger';

/**
 * Long enough for PostgreSQL to restart and recover, or for a standby to take over; short enough for a waiting turn to
 * answer within its deadline.
 */
export const defaultGiveUpAfterMs = 30_000;

type DatabaseError =
  /** Worth a retry. */
  | { readonly kind: 'transient' }
  /** Persists until an operator follows `advice`. */
  | { readonly kind: 'permanent'; readonly advice: string }
  /** Unrelated to the database's availability. */
  | { readonly kind: 'other' };

/** Codes: PostgreSQL's SQLSTATE (appendix A of its manual), SQLite's result codes, Node's system errors. */
const transientCodes =
  /^(08...|40001|40P01|55P03|57P0[1-3]|57014|53[03]00|25P0[34]|25006|SQLITE_BUSY.*|SQLITE_LOCKED.*|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;

/** pg has no code for these. */
const transientMessages = /^(Connection terminated|timeout e|Client (has encountered|was closed))/;

const remedies: readonly (readonly [RegExp, string])[] = [
  [/^28/, 'Check the user and password in DATABASE_URL.'],
  [/^3D000$/, 'The database in DATABASE_URL does not exist: create it with CREATE DATABASE.'],
  [
    /^42501$/,
    'Grant the user in DATABASE_URL the right to create and change tables in this database. If another user owns ' +
      'them, the right to use them is enough: deploy/postgres/ledger-rights.sql grants it.',
  ],
  [/^(53100|SQLITE_FULL|ENOSPC|EDQUOT)$/, 'The disk is full: free some space.'],
  [
    /^(SQLITE_CANTOPEN|EACCES|EPERM|EROFS|SQLITE_READONLY|ENOTDIR|EEXIST)/,
    'Check that this user can write to the data directory.',
  ],
  [/^(SQLITE_CORRUPT|SQLITE_NOTADB|SQLITE_IOERR)/, 'The file or its disk is damaged: restore the file from a backup.'],
];

/** What errors of Node, pg and better-sqlite3 have in common; those of better-sqlite3 are not native errors. */
interface ErrorLike {
  readonly code?: unknown;
  /** One per address that Node tried. */
  readonly errors?: readonly unknown[];
}

function asErrorLike(error: unknown): ErrorLike {
  return typeof error === 'object' && error !== null ? error : {};
}

/** The code of a database or system error; '' if it has none. */
export function errorCode(error: unknown): string {
  const { code, errors } = asErrorLike(error);
  if (typeof code === 'string') return code;
  return errors === undefined ? '' : errorCode(errors[0]);
}

function classify(error: unknown): DatabaseError {
  const code = errorCode(error);
  if (transientCodes.test(code) || transientMessages.test(errorMessage(error))) return { kind: 'transient' };
  const advice = remedies.find(([codes]) => codes.test(code))?.[1];
  return advice === undefined ? { kind: 'other' } : { kind: 'permanent', advice };
}

/** Whether the database could not do its work, rather than refuse what it was asked. */
export function isDatabaseFailure(error: unknown): boolean {
  return classify(error).kind !== 'other';
}

export interface RetryOptions {
  /** A description of the database without credentials: `SQLite /path/ledger.db`. */
  readonly database: string;
  readonly giveUpAfterMs: number;
}

/**
 * Retries a transaction on transient database errors, for up to `giveUpAfterMs`. Only for idempotent work: a commit whose
 * acknowledgement was lost is run again, too. Errors that are not about the database's availability are rethrown unchanged.
 * @throws LedgerUnavailableError for a permanent database error, or a transient one that lasts for `giveUpAfterMs`
 */
export async function withRetries<T>({ database, giveUpAfterMs }: RetryOptions, work: () => Promise<T>): Promise<T> {
  const giveUpAtMs = performance.now() + giveUpAfterMs;
  const policy = retry(
    handleWhen((error) => classify(error).kind === 'transient' && performance.now() < giveUpAtMs),
    {
      maxAttempts: Number.MAX_SAFE_INTEGER, // the time above is the limit
      // Deadlocks and lost connections pass within milliseconds, a restart within seconds. Jittered, so that workers do not retry at the same time.
      backoff: new ExponentialBackoff({ initialDelay: 20, maxDelay: 2_000 }),
    },
  );
  try {
    return await policy.execute(work);
  } catch (error) {
    throw explained(error, database, giveUpAfterMs);
  }
}

function explained(error: unknown, database: string, giveUpAfterMs: number): unknown {
  const classified = classify(error);
  if (classified.kind === 'other') return error;
  const reason = errorMessage(error);
  const message =
    classified.kind === 'permanent'
      ? `The ledger cannot be used: ${database}: ${reason}. ${classified.advice}`
      : `The ledger did not answer for ${giveUpAfterMs / 1000} s: ${database}: ${reason}. ` +
        'Check that the database is running and that DATABASE_URL is right. The last change may or may not have been made; repeating it is safe.';
  return new LedgerUnavailableError(message, { cause: error, isLasting: classified.kind === 'permanent' });
}
