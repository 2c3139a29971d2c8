import { startPostgres } from '../postgres';

/** Starts a PostgreSQL, prints its URL, and keeps running until it is killed. */
async function main(): Promise<void> {
  const { url } = await startPostgres();
  console.log(url);
  setInterval(() => undefined, 60_000);
}

void main();
