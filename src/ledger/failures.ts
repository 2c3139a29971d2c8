import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { errorMessage } from '../contract/failures';
import { LedgerUnavailableError } from '../contract/ledger';

/**
 * Long enough for PostgreSQL to restart and recover, or a standby to take over; short enough that a turn, which waits
 * for it, can still answer within its deadline.
 */
export const defaultGiveUpAfterMs = 30_000;

type Fault =
  /** Passes by itself: try again. */
  | { readonly kind: 'passing' }
  /** Stays until somebody does what `advice` says. */
  | { readonly kind: 'lasting'; readonly advice: string }
  /** Not about the database's availability. */
  | { readonly kind: 'other' };

/** Codes: PostgreSQL's SQLSTATE (appendix A of its manual), SQLite's result codes, Node's system errors. */
const passingCodes =
  /^(08...|40001|40P01|55P03|57P0[1-3]|57014|53[03]00|25P0[34]|25006|SQLITE_BUSY.*|SQLITE_LOCKED.*|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;

/** pg has no code for these. */
const passingMessages = /^(Connection terminated|timeout e|Client (has encountered|was closed))/;

const advices: readonly (readonly [RegExp, string])[] = [
  [/^28/, 'Are user and password in DATABASE_URL right?'],
  [/^3D000$/, 'Does the database that DATABASE_URL names exist? CREATE DATABASE makes it.'],
  [/^42501$/, 'Grant the user of DATABASE_URL the right to create and change tables in this database.'],
  [/^(53100|SQLITE_FULL)$/, 'The disk is full: free some space.'],
  [
    /^(SQLITE_CANTOPEN|EACCES|EPERM|EROFS|SQLITE_READONLY|ENOTDIR|EEXIST)/,
    'May this user write in the data directory?',
  ],
  [/^(SQLITE_CORRUPT|SQLITE_NOTADB|SQLITE_IOERR)/, 'The file or its disk is damaged: restore it from a backup.'],
];

/** What errors of Node, pg and better-sqlite3 have in common; the last one's are no native errors. */
interface ErrorLike {
  readonly code?: unknown;
  /** One for each address that Node tried. */
  readonly errors?: readonly unknown[];
}

function asErrorLike(error: unknown): ErrorLike {
  return typeof error === 'object' && error !== null ? error : {};
}

/** Code of a database or system error. */
export function errorCode(error: unknown): string {
  const { code, errors } = asErrorLike(error);
  if (typeof code === 'string') return code;
  return errors === undefined ? '' : errorCode(errors[0]);
}

function faultOf(error: unknown): Fault {
  const code = errorCode(error);
  if (passingCodes.test(code) || passingMessages.test(errorMessage(error))) return { kind: 'passing' };
  const advice = advices.find(([codes]) => codes.test(code))?.[1];
  return advice === undefined ? { kind: 'other' } : { kind: 'lasting', advice };
}

export interface Patience {
  /** What the database is, without credentials: `SQLite /path/ledger.db`. */
  readonly database: string;
  readonly giveUpAfterMs: number;
}

/**
 * Runs a transaction again while the database has a passing fault. Only for work that may be repeated: a commit whose
 * acknowledgement was lost is run again too. Throws LedgerUnavailableError for faults that stay, and anything that is
 * no fault of the database as it is.
 */
export async function withPatience<T>({ database, giveUpAfterMs }: Patience, work: () => Promise<T>): Promise<T> {
  const giveUpAtMs = performance.now() + giveUpAfterMs;
  const policy = retry(
    handleWhen((error) => faultOf(error).kind === 'passing' && performance.now() < giveUpAtMs),
    {
      maxAttempts: Number.MAX_SAFE_INTEGER, // the time above is the limit
      // Deadlocks and lost connections are over in milliseconds, a restart in seconds; jittered, so that workers spread.
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
  const fault = faultOf(error);
  if (fault.kind === 'other') return error;
  const reason = errorMessage(error);
  const message =
    fault.kind === 'lasting'
      ? `The ledger cannot be used: ${database}: ${reason}. ${fault.advice}`
      : `The ledger did not answer for ${giveUpAfterMs / 1000} s: ${database}: ${reason}. ` +
        'Is the database up, and is DATABASE_URL right? The change may be done or not; repeating it is safe.';
  return new LedgerUnavailableError(message, { cause: error });
}
