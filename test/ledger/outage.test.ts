import { openLedger } from '../../src/ledger/open-ledger';
import { eventually } from '../support/eventually';
import { describeOnPostgres } from '../support/ledgers';
import { startPostgres } from '../support/postgres';
import { admitRequest, settled, turnRecord, wideCaps } from './requests';

/** A busy machine may take longer to restart a killed database than a turn would wait. */
const giveUpAfterMs = 120_000;
const testTimeoutMs = 180_000;

describeOnPostgres('a database that is killed and comes back', () => {
  test(
    'answers every admit and record, each exactly once',
    async () => {
      const postgres = await startPostgres();
      try {
        const ledger = await openLedger({ databaseUrl: postgres.url, dataDirectory: 'not used', giveUpAfterMs });
        let answered = 0;
        const turn = async (turnId: string, sessionId: string): Promise<void> => {
          const admission = await ledger.admit(admitRequest(turnId, 400, { sessionId }));
          expect(admission).toEqual({
            kind: 'admitted',
            arm: 'holysheep',
            canary: false,
            rescueArm: null,
            countedIn: null,
            attempt: 1,
            reservedNanoUsd: 400,
          });
          const totals = await ledger.recordTurn(turnRecord(turnId, [settled(1, 120)]));
          expect(totals).toMatchObject({ attempts: 1, costNanoUsd: 120, unconfirmedNanoUsd: 0 });
          answered += 1;
        };
        const callers = Array.from({ length: 12 }, async (_, caller) => {
          for (let index = 0; index < 25; index += 1) await turn(`turn-${caller}-${index}`, `session-${caller}`);
        });
        const all = Promise.all(callers);
        for (const enough of [50, 150]) {
          await eventually(`${enough} turns are answered`, () => answered >= enough);
          await postgres.kill();
          await postgres.restart();
        }
        await all;
        expect(await ledger.costTotals()).toMatchObject({
          turns: 300,
          attempts: 300,
          tokens: 300 * 42,
          costNanoUsd: 300 * 120,
          unconfirmedNanoUsd: 0,
          overReservedNanoUsd: 0,
          disbelievedCalls: 0,
          reservedNanoUsd: 0,
          days: 1,
        });
        const last = await ledger.recordTurn(turnRecord('turn-0-0', []));
        expect(last.remainingNanoUsd).toBe(wideCaps.dayNanoUsd - 300 * 120);
        await ledger.close();
      } finally {
        await postgres.stop();
      }
    },
    testTimeoutMs,
  );

  test(
    'opens as soon as the database is up',
    async () => {
      const postgres = await startPostgres();
      try {
        await postgres.kill();
        const opening = openLedger({ databaseUrl: postgres.url, dataDirectory: 'not used', giveUpAfterMs });
        await postgres.restart();
        const ledger = await opening;
        await ledger.check();
        await ledger.close();
      } finally {
        await postgres.stop();
      }
    },
    testTimeoutMs,
  );
});
