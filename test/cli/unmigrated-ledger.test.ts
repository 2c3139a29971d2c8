import { migrateLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, forgetLastMigration, type TestDatabase } from '../support/ledgers';
import { CliWorkspace } from './run-cli';

describeOnEachDatabase('reading from a ledger that is not migrated', (databases) => {
  let workspace: CliWorkspace;
  let database: TestDatabase;
  let environment: Readonly<Record<string, string>>;
  beforeEach(async () => {
    workspace = new CliWorkspace();
    database = await databases.create();
    const { databaseUrl, dataDirectory } = database.location;
    environment = databaseUrl ? { DATABASE_URL: databaseUrl } : { BELLWETHER_DATA_DIR: dataDirectory };
  });
  afterEach(async () => {
    await database.remove();
    await workspace.remove();
  });

  async function ledgerCheck(): Promise<{ status: string; detail: string; advice?: string }> {
    const { stdout } = await workspace.run(['doctor', '--json'], environment);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; status: string; detail: string }[] };
    const check = checks.find(({ name }) => name === 'Ledger');
    if (!check) throw new Error(`There is no check of the ledger in ${stdout}`);
    return check;
  }

  async function migrationsApplied(): Promise<readonly string[]> {
    const rows = await database.query<{ name: string }>('select name from kysely_migration order by name');
    return rows.map(({ name }) => name);
  }

  it('costs and doctor treat a missing ledger as not needed yet, and create none', async () => {
    const { status, stdout } = await workspace.run(['costs'], environment);
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(`^Nothing has been spent yet: there is no .* ${databases.name} `),
    ]);
    expect(await ledgerCheck()).toMatchObject({
      status: 'skipped',
      detail: expect.stringContaining('the first start or setup creates it'),
    });
    // All of them: nobody has applied any before.
    expect(await migrateLedger(database.location)).toEqual(await migrationsApplied());
  });

  it('doctor reports pending migrations and does not apply them', async () => {
    const migrated = await migrateLedger(database.location);
    expect((await ledgerCheck()).status).toBe('ok');
    await forgetLastMigration(database);
    expect(await ledgerCheck()).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining(`pending migrations: ${migrated.at(-1)}`),
      advice: expect.stringContaining('npx bellwether setup'),
    });
    expect(await migrationsApplied()).toEqual(migrated.slice(0, -1));
  });

  it('with an older ledger, costs ends with status 1 and says what to run', async () => {
    const migrated = await migrateLedger(database.location);
    await forgetLastMigration(database);
    const { status, stdout, stderr } = await workspace.run(['costs'], environment);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^The ledger is older than this program.*Run `bellwether setup`/);
    expect(await migrationsApplied()).toEqual(migrated.slice(0, -1));
  });
});
