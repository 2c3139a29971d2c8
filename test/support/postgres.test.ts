import { existsSync } from 'node:fs';
import { Client } from 'pg';
import { eventually } from './eventually';
import { describeOnPostgres } from './ledgers';
import { startTypescript } from './typescript-program';

describeOnPostgres('the tests’ own server', () => {
  test('ends and removes its directory if the process that started it is killed', async () => {
    const program = startTypescript('support/programs/start-postgres.ts');
    const url = await program.firstLine;
    const data = await ask(url, 'show data_directory');
    expect(existsSync(data)).toBe(true);

    program.process.kill('SIGKILL');
    await program.ended;
    await eventually('the directory is gone', () => !existsSync(data));
    await expect(ask(url, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });
});

/** The first value of a statement's first row, as text. */
async function ask(url: string, statement: string): Promise<string> {
  const client = new Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<string[]>({ text: statement, rowMode: 'array' });
    return String(rows[0]?.[0]);
  } finally {
    await client.end();
  }
}
