import { LedgerUnavailableError } from './failures';

/**
 * Says which database a URL means, without its credentials: `PostgreSQL db.example:5432/bellwether`. Throws
 * LedgerUnavailableError on a URL that is not PostgreSQL's; the message never repeats the URL, which holds a password.
 */
export function describePostgres(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) {
    throw new LedgerUnavailableError(`DATABASE_URL is not a URL. ${expected}`);
  }
  const url = new URL(databaseUrl);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    throw new LedgerUnavailableError(
      `DATABASE_URL begins with ${url.protocol}//, which the ledger does not know. ${expected}`,
    );
  }
  const host = url.searchParams.get('host') ?? (url.hostname === '' ? 'localhost' : url.hostname);
  const port = url.searchParams.get('port') ?? (url.port === '' ? '5432' : url.port);
  return `PostgreSQL ${host}:${port}${url.pathname}`;
}

const expected =
  'Use postgres://user:password@host:5432/database (special characters of the password percent-encoded), ' +
  'or unset it for SQLite in the data directory.';
