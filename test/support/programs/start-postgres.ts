import { startPostgres } from '../postgres';

/** Starts a PostgreSQL, says its URL, and stays until it is killed. */
async function main(): Promise<void> {
  const { url } = await startPostgres();
  console.log(url);
  setInterval(() => undefined, 60_000);
}

void main();
