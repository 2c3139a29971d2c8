import { Client } from 'pg';
import { openLedger } from '../../src/ledger/open-ledger';
import { admitRequest, newKey, noonMs } from '../ledger/requests';
import { defaultArm, entry } from '../ledger/rollout-entries';
import {
  describeOnPostgres,
  forgetLastMigration,
  PostgresDatabases,
  runTimeUsers,
  type TestDatabase,
} from '../support/ledgers';

/** SQLSTATE: a table or a right of somebody else. */
const denied = { code: '42501' };

// What a worker may do is tested in test/ledger, which opens every ledger with a worker's rights.
describeOnPostgres('the rights of workers and gateways in the ledger', () => {
  let database: TestDatabase;
  const clients: Client[] = [];
  beforeEach(async () => {
    database = await new PostgresDatabases().create();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end();
    await database.remove();
  });

  async function connect(user: (typeof runTimeUsers)[number]): Promise<Client> {
    const { databaseUrl } = await database.atRunTime(user);
    const client = new Client(databaseUrl);
    clients.push(client);
    await client.connect();
    return client;
  }

  test.each(runTimeUsers)('%s cannot change what the audit trail says, nor any table', async (user) => {
    const { databaseUrl } = await database.atRunTime('bellwether_worker');
    const worker = await openLedger({ ...database.location, databaseUrl });
    await worker.rollouts.record(entry(1), defaultArm);
    await worker.close();
    const client = await connect(user);
    const statements = [
      "update rollout_audit set reason = 'another'",
      'delete from rollout_audit',
      'truncate rollout_audit',
      'drop table rollout_audit',
      'alter table rollout_audit disable trigger all',
      'alter table rollout_audit add column other text',
      'create table other (id integer)',
      'set role bellwether',
      'delete from budgets',
      'delete from kysely_migration',
      'truncate attempts cascade',
      'drop schema public cascade',
    ];
    const taken: string[] = [];
    for (const statement of statements) {
      const code: unknown = await client.query(statement).then(
        () => 'done',
        (error: { code?: unknown }) => error.code,
      );
      if (code !== denied.code) taken.push(`${statement}: ${String(code)}`);
    }
    expect(taken).toEqual([]);
    expect((await client.query('select reason from rollout_audit')).rows).toHaveLength(1);
  });

  test('a gateway checks keys, registers requests, feedback and images, and spends, decides and makes nothing', async () => {
    const owner = await openLedger(database.location);
    await owner.keys.create(newKey('key'));
    await owner.admit(admitRequest('rated', 400));
    await owner.close();
    const gateway = await openLedger(await database.atRunTime('bellwether_gateway'));
    expect(await gateway.keys.find('key')).not.toBeNull();
    const request = { turnId: 't', keyId: 'key', sessionId: null, idempotencyKey: null, bodyHash: 'b', atMs: noonMs };
    expect(await gateway.requests.register(request)).toMatchObject({ isNew: true });
    await gateway.images.add('key', { id: 'i', size: 1, data: Buffer.from('i') }, noonMs);
    expect([...(await gateway.images.use('key', ['i'], noonMs + 1)).keys()]).toEqual(['i']);
    expect(await gateway.images.prune(Number.MAX_SAFE_INTEGER)).toBe(1);
    for (const signal of ['up', 'down'] as const) {
      expect(await gateway.recordFeedback({ turnId: 'rated', signal, atMs: noonMs })).toBe('recorded');
    }
    await expect(gateway.check()).resolves.toBeUndefined();
    expect(await gateway.costTotals()).toMatchObject({ turns: 1 });
    expect(await gateway.rollouts.split()).toBeNull();
    for (const forbidden of [
      () => gateway.admit(admitRequest('turn', 400)),
      () => gateway.keys.create(newKey('other')),
      () => gateway.keys.revoke('key', noonMs),
      () => gateway.rollouts.record(entry(1), defaultArm),
      () => gateway.closeSession('session', noonMs),
      () => gateway.flagAnswer('rated', 'empty'),
    ]) {
      await expect(forbidden()).rejects.toThrow(/permission denied for table .*ledger-rights\.sql/);
    }
    await gateway.close();
  });

  test('a table of a later migration is covered when the rights are given again', async () => {
    await database.atRunTime('bellwether_worker');
    await database.query('create table later (id integer)');
    const worker = await connect('bellwether_worker');
    await worker.query('insert into later values (1)');
    const gateway = await connect('bellwether_gateway');
    expect((await gateway.query('select id from later')).rows).toEqual([{ id: 1 }]);
    await expect(gateway.query('delete from later')).rejects.toMatchObject(denied);
  });

  test('a worker that may not apply a pending migration says who does', async () => {
    const location = await database.atRunTime('bellwether_worker');
    await forgetLastMigration(database);
    await expect(openLedger(location)).rejects.toThrow(
      /older than this program and lacks 0.*run `bellwether setup` as the user that owns them.*docker compose run/,
    );
  });
});
