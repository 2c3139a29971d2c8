import { randomBytes } from 'node:crypto';
import type { RolloutCommandName, RolloutState } from '../../src/contract/rollout';
import type { KeyRing } from '../../src/contract/key-ring';
import type { Ledger } from '../../src/contract/ledger';
import type { AuditRow } from '../../src/contract/rollout-ledger';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { openLedger } from '../../src/ledger/open-ledger';
import { type AuditAnchors, verifyAudit } from '../../src/operator/audit-chain';
import { RolloutOperator } from '../../src/operator/rollout-operator';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { rehashed, replaceTrail } from '../support/forged-trail';
import { rolloutSpec } from '../support/rollout-spec';
import { CliWorkspace } from '../cli/run-cli';

const newKey = (): Uint8Array => new Uint8Array(randomBytes(32));

function ring(...entries: readonly (readonly [id: string, key: Uint8Array])[]): KeyRing {
  return { activeKeyId: entries[0]![0], keys: new Map(entries) };
}

const october = newKey();
const november = newKey();
const keys = ring(['november', november], ['october', october]);

/** Three rows: it starts, ann pauses it and rolls it back. */
async function recordRollout({ rollouts }: Ledger, name: string, actor = 'ann'): Promise<void> {
  const spec = rolloutSpec({ name });
  let state: RolloutState | null = null;
  for (const [at, command] of ([null, 'pause', 'rollback'] as (RolloutCommandName | null)[]).entries()) {
    const occasion = {
      atMs: 1_000 * at,
      evidence: null,
      command: command === null ? null : { name: command, actor, reason: "it's late" },
    };
    const decision = advanceRollout(spec, state, occasion);
    await rollouts.record({ spec, ...occasion, decision }, 'legacy');
    state = decision.next;
  }
}

describeOnEachDatabase('an audit trail whose hashes have keys', (databases) => {
  let database: TestDatabase;
  const open: Ledger[] = [];
  beforeEach(async () => {
    database = await databases.create();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((ledger) => ledger.close()));
    await database.remove();
  });

  async function openWith(auditKeys: KeyRing | undefined): Promise<Ledger> {
    const ledger = await openLedger({ ...database.location, auditKeys });
    open.push(ledger);
    return ledger;
  }

  async function verify(anchors: AuditAnchors) {
    return verifyAudit((await openWith(undefined)).rollouts, undefined, anchors);
  }

  async function problem(anchors: AuditAnchors): Promise<string | null> {
    const { problem: found } = await verify(anchors);
    return found?.problem ?? null;
  }

  async function trail(): Promise<readonly AuditRow[]> {
    return (await openWith(undefined)).rollouts.auditTrail();
  }

  /** The same rollout, in which eve did what ann did: every decision follows from its command, and every hash is right. */
  async function replaceAnnByEve(key?: { readonly id: string; readonly bytes: Uint8Array }): Promise<void> {
    const rows = (await trail()).map((row) => ({
      ...row,
      actor: row.actor.replace('ann', 'eve'),
      reason: row.reason.replace('ann', 'eve'),
      entry: row.entry.replaceAll('ann', 'eve'),
    }));
    await replaceTrail(database, rehashed(rows, key));
  }

  test('does not alarm the service when a command lacks the keys or expects another head; a success is kept', async () => {
    const ledger = await openWith(keys);
    await recordRollout(ledger, 'november');
    const byWorker = { isIntact: true, message: 'Rows 1 to 3 are intact.', position: 3 };
    await ledger.tallies.keepVerification(byWorker);
    const operator = new RolloutOperator(ledger, () => Promise.reject(new Error('not needed')));
    const wrongHead = { position: 3, hash: 'f'.repeat(64) };
    for (const anchors of [{}, { keys, expectedRow: wrongHead }]) {
      const report = await verify(anchors);
      expect(report.problem).not.toBeNull();
      await operator.keepVerification(report, undefined);
      expect(await ledger.page.verification()).toMatchObject(byWorker);
    }
    await operator.keepVerification(await verify({ keys }), undefined);
    expect(await ledger.page.verification()).toMatchObject({
      isIntact: true,
      message: expect.stringMatching(/^3 rows/),
    });
  });

  test('is intact, row by row with the key of its time', async () => {
    await recordRollout(await openWith(ring(['october', october])), 'october');
    await recordRollout(await openWith(keys), 'november');
    const report = await verify({ keys });
    expect(report).toMatchObject({ problem: null, rows: 6, unkeyedRows: 0, keyIds: ['october', 'november'] });
  });

  test('cannot be rewritten with this program by somebody without a key', async () => {
    await recordRollout(await openWith(keys), 'november');
    await replaceAnnByEve();
    expect(await problem({ keys })).toMatch(/^it is hashed without a key, but keys are configured/);
  });

  test('cannot be rewritten with another key, whatever its id', async () => {
    await recordRollout(await openWith(keys), 'november');
    await replaceAnnByEve({ id: 'november', bytes: newKey() });
    expect(await problem({ keys })).toMatch(/^its hash does not match its columns under key "november"/);
    await replaceAnnByEve({ id: 'eves', bytes: newKey() });
    expect(await problem({ keys })).toMatch(
      /^it is hashed with key "eves", but only november, october is configured here/,
    );
  });

  test('whoever has a plain trail alone can rewrite it, which is why there are keys', async () => {
    await recordRollout(await openWith(undefined), 'november');
    await replaceAnnByEve();
    expect(await verify({})).toMatchObject({ problem: null, unkeyedRows: 3, keyIds: [] });
  });

  test('cannot have its last rows replaced by rows without a key', async () => {
    await recordRollout(await openWith(keys), 'november');
    const [first, ...rest] = await trail();
    const forged = rehashed([first!, ...rest]).slice(1);
    await replaceTrail(database, [first!, { ...forged[0]!, previousHash: first!.hash }, ...forged.slice(1)]);
    const expected = /^it is hashed without a key although the row before it is hashed with one/;
    expect(await problem({ keys })).toMatch(expected);
    expect(await problem({ keys, unkeyedUntil: 3 })).toMatch(expected);
  });

  test('takes no row of a process without a key, and says what to set', async () => {
    await recordRollout(await openWith(keys), 'november');
    const recording = recordRollout(await openWith(undefined), 'december');
    await expect(recording).rejects.toThrow(/this process has none.*Set BELLWETHER_AUDIT_KEYS here as in the workers/);
    expect(await verify({ keys })).toMatchObject({ problem: null, rows: 3 });
  });

  test('cannot be checked without its key, and says so', async () => {
    await recordRollout(await openWith(keys), 'november');
    expect(await problem({})).toMatch(/^it is hashed with key "november", but no key is configured here/);
    const other = ring(['november', newKey()]);
    expect(await problem({ keys: other })).toContain('or the key configured here under that id is not the one');
  });

  test('may begin without keys, as far as somebody vouches for, and keys protect what came before', async () => {
    await recordRollout(await openWith(undefined), 'october');
    await recordRollout(await openWith(keys), 'november');
    expect(await problem({ keys })).toMatch(
      /all rows up to 3 are older than the keys, accept them with --unkeyed-until 3$/,
    );
    expect(await problem({ keys, unkeyedUntil: 2 })).toMatch(/^it is hashed without a key, but keys/);
    expect(await verify({ keys, unkeyedUntil: 3 })).toMatchObject({
      problem: null,
      unkeyedRows: 3,
      keyIds: ['november'],
    });

    const rows = await trail();
    const forged = rehashed(rows.slice(0, 3).map((row) => ({ ...row, actor: 'eve' })));
    await replaceTrail(database, [...forged, ...rows.slice(3)]);
    const report = await verify({ keys, unkeyedUntil: 3 });
    expect(report.problem).toMatchObject({ position: 4, problem: 'it does not follow the row before' });
  });

  test('without its last rows, and with its head set right, is not what an auditor has noted', async () => {
    await recordRollout(await openWith(keys), 'november');
    const rows = await trail();
    const head = (await verify({ keys })).head!;
    expect(await problem({ keys, expectedRow: head })).toBeNull();

    await replaceTrail(database, rows.slice(0, 2));
    await database.query('update traffic_split set percent = 10, active = 1, bake = 1 returning id');
    expect(await problem({ keys })).toBeNull();
    expect(await problem({ keys, expectedRow: head })).toBe(
      'row 3 is missing: you expect row 3, and the trail ends with row 2',
    );
  });

  test('that goes on is still the one that an auditor has noted', async () => {
    const ledger = await openWith(keys);
    await recordRollout(ledger, 'november');
    const { head } = await verify({ keys });
    await recordRollout(ledger, 'december');
    expect(await problem({ keys, expectedRow: head! })).toBeNull();
    const other = { position: 3, hash: '1'.repeat(64) };
    expect(await problem({ keys, expectedRow: other })).toContain(`was replaced: you expect ${other.hash} as its hash`);
  });

  describe('for the command', () => {
    const workspace = new CliWorkspace();
    afterAll(() => workspace.remove());

    function run(...args: readonly string[]) {
      const { databaseUrl, dataDirectory } = database.location;
      return workspace.run(['rollout', 'verify', ...args], {
        BELLWETHER_DATA_DIR: dataDirectory,
        ...(databaseUrl && { DATABASE_URL: databaseUrl }),
        BELLWETHER_AUDIT_KEYS: `november:${Buffer.from(november).toString('base64')}`,
        // Nobody listens there.
        TEMPORAL_ADDRESS: '127.0.0.1:1',
      });
    }

    test('has a head to keep, which it can be compared with', async () => {
      await recordRollout(await openWith(keys), 'november');
      const { status, stdout } = await run();
      expect({ status, stdout }).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('Hashes: all keyed, with key november.'),
      });
      expect(stdout).toContain('Temporal: did not answer, so its histories were not compared.');
      const [, head = ''] = /Head: (3:[0-9a-f]{64})\n/.exec(stdout) ?? [];
      expect(await run('--expect-head', head)).toMatchObject({ status: 0 });
      await replaceTrail(database, (await trail()).slice(0, 2));
      await database.query('update traffic_split set percent = 10, active = 1, bake = 1 returning id');
      expect(await run('--expect-head', head)).toMatchObject({
        status: 1,
        stdout: '✗ row 3 is missing: you expect row 3, and the trail ends with row 2.\n',
      });
      expect(await run('--expect-head', 'nonsense')).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('Expected the position and hash of a row'),
      });
    });

    test('without keyed hashes fails until somebody vouches for it', async () => {
      await recordRollout(await openWith(undefined), 'november');
      expect(await run()).toMatchObject({ status: 1, stdout: expect.stringContaining('--unkeyed-until 3') });
      expect(await run('--unkeyed-until', '3')).toMatchObject({
        status: 0,
        stdout: expect.stringContaining('none is keyed'),
      });
    });
  });
});
