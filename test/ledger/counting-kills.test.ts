/** Counting users exactly once while the database's server is killed, and in exclusions that were interrupted. */
import { Client } from 'pg';
import { exclude } from '../../src/ledger/count-users';
import { openLedger } from '../../src/ledger/open-ledger';
import { openPostgres } from '../../src/ledger/postgres';
import type { LedgerDatabase, Runner } from '../../src/ledger/schema';
import { openSqlite } from '../../src/ledger/sqlite';
import { eventually } from '../support/eventually';
import { describeOnEachDatabase, describeOnPostgres, openTestLedger, type TestDatabase } from '../support/ledgers';
import { startPostgres } from '../support/postgres';
import { startTypescript } from '../support/typescript-program';
import type { RunUserTurns } from './programs/run-user-turns';
import { countedByRow, expectRecount } from './recount';
import { noonMs } from './requests';
import { playTurn, readEvidence, startRollout } from './user-rollouts';

const kills = 4;

describeOnPostgres('a server that is killed again and again while users are counted', () => {
  test('leaves counts that equal a recount, to the row', async () => {
    const postgres = await startPostgres();
    const location = { databaseUrl: postgres.url, dataDirectory: 'not used', giveUpAfterMs: 120_000 };
    const rollout = 'killed';
    let ledger = await openLedger(location);
    await startRollout(ledger, rollout, countedByRow);
    await ledger.close();
    const inputs: RunUserTurns[] = [
      { location, rollout, name: 'first', callers: 4 },
      { location, rollout, name: 'second', callers: 4, excludes: true },
    ];
    const programs = inputs.map((input) => startTypescript('ledger/programs/run-user-turns.ts', JSON.stringify(input)));
    const linesOf = (kind: string) =>
      programs.map(({ output }) => output.stdout.split('\n').filter((line) => line === kind).length);
    try {
      for (let kill = 0; kill <= kills; kill += 1) {
        const [turns, counts] = [linesOf('turn'), linesOf('count')];
        await eventually(
          'both have run and counted more turns',
          () =>
            linesOf('turn').every((lines, index) => lines > turns[index]! + 20) &&
            linesOf('count').every((lines, index) => lines > counts[index]! + 2),
          120_000,
        );
        if (kill === kills) break;
        await postgres.kill();
        await postgres.restart();
      }
    } finally {
      for (const program of programs) program.process.kill('SIGKILL');
      await Promise.all(programs.map(({ ended }) => ended));
    }
    expect(programs.map(({ output }) => output.stderr)).toEqual(['', '']);
    ledger = await openLedger(location);
    const reader = new Client(postgres.url);
    await reader.connect();
    const query = async <Row>(statement: string) => (await reader.query(statement)).rows as Row[];
    await expectRecount(ledger, { query }, rollout);
    await reader.end();
    await ledger.close();
    await postgres.stop();
  }, 300_000);
});

/** Two rows each: several transactions mark them. */
const usersExcluded = 120;
const usersLeft = 20;
const hourMs = 3_600_000;
const excluded = [{ fromMs: noonMs - hourMs, toMs: noonMs + hourMs }];
const laterMs = noonMs + 3 * hourMs;

describeOnEachDatabase('an exclusion whose process dies', (databases) => {
  // One that sets the windows, three that mark users, and one that says that all are marked.
  test.each([1, 2, 4])('after %d of its transactions is finished by the next one, or taken back', async (survived) => {
    const opened = await openTestLedger(databases);
    const { ledger } = opened;
    const db = connectionTo(opened.database);
    const rollout = 'november';
    await startRollout(ledger, rollout);
    const play = (atMs: number, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, user) =>
          playTurn(
            ledger,
            { rollout, atMs, userId: `${atMs} ${user}`, keyId: 'key' },
            user % 2 === 0 ? 'answered' : 'timeout',
          ),
        ),
      );
    await play(noonMs, usersExcluded);
    await play(laterMs, usersLeft);
    const asked = { atMs: laterMs + 10 };
    const everything = await readEvidence(ledger, rollout, asked);
    expect(everything.canary.users).toBe(usersExcluded + usersLeft);

    for (const windows of [excluded, []]) {
      await expect(exclude(dyingRunner(db, survived), rollout, windows)).rejects.toThrow('the process died');
      // Another worker counts before anybody finishes it.
      await ledger.rollouts.countUsers(asked.atMs);
      const without = await readEvidence(ledger, rollout, { ...asked, excluded });
      expect(without).toMatchObject({
        canary: { users: usersLeft, faultyUsers: usersLeft / 2 },
        canaryLargestKey: { users: usersLeft },
        canaryFaultiestKeys: [{ canary: { users: usersLeft, faultyUsers: usersLeft / 2 } }],
      });
      if (windows.length > 0) {
        await expect(exclude(dyingRunner(db, survived), rollout, [])).rejects.toThrow('the process died');
        expect(await readEvidence(ledger, rollout, asked)).toEqual(everything);
        await readEvidence(ledger, rollout, { ...asked, excluded });
      }
    }
    expect(await readEvidence(ledger, rollout, asked)).toEqual(everything);
    await db.destroy();
    await opened.close();
  });
});

function connectionTo({ location: { databaseUrl, dataDirectory } }: TestDatabase): LedgerDatabase {
  return databaseUrl === undefined ? openSqlite(dataDirectory) : openPostgres(databaseUrl);
}

/** Commits that many transactions, and begins no other. */
function dyingRunner(db: LedgerDatabase, transactions: number): Runner {
  let left = transactions;
  return {
    change(work) {
      if (left === 0) return Promise.reject(new Error('the process died'));
      left -= 1;
      return db.transaction().execute(work);
    },
    read: (work) => work(db),
  };
}
