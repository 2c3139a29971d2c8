import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedger } from '../../src/ledger/open-ledger';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import { noonMs } from './requests';
import { playTurn, startRollout } from './user-rollouts';

test('counting any number of users takes a bounded number of different statements, since databases keep them', async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-ledger-'));
  const ledger = await openLedger({ dataDirectory, survivesPowerLoss: false });
  const database = openSqliteFile(join(dataDirectory, 'ledger.db'));
  const rollout = 'november';
  await startRollout(ledger, rollout);
  for (let user = 1; user <= 100; user += 1) {
    const known = { userId: `user ${user}`, keyId: `key ${user}`, bake: user, arm: 'legacy' };
    const turnId = await playTurn(ledger, { rollout, atMs: noonMs, ...known });
    await ledger.recordFeedback({ turnId, signal: 'up', atMs: noonMs + 1 });
  }
  const makeDue = database.prepare('update rollout_users set due_at_ms = 0, counted = null where bake <= ?');
  const makeUncounted = database.prepare(
    'update feedback set is_counted = 0 where turn_id in (select turn_id from turns where bake <= ?)',
  );
  const prepare = jest.spyOn(Object.getPrototypeOf(database) as typeof database, 'prepare');
  try {
    let counted = 0;
    for (let users = 1; users <= 100; users += 1) {
      makeDue.run(users);
      makeUncounted.run(users);
      counted += await ledger.rollouts.countUsers(noonMs + 2);
    }
    expect(counted).toBe(5_050 + 99); // after the first count, all were due
    const texts = new Set(prepare.mock.calls.map(([text]) => text));
    expect(texts.size).toBeGreaterThan(5);
    expect(texts.size).toBeLessThan(60);
  } finally {
    prepare.mockRestore();
    database.close();
    await ledger.close();
    rmSync(dataDirectory, { recursive: true });
  }
});
