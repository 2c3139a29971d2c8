/** What the ledger tells whoever counts must agree with what it keeps. */
import type { Ledger } from '../../src/contract/ledger';
import type { LedgerObserver } from '../../src/contract/observers';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { admitRequest, noonMs, released, reserveRequest, settled, turnRecord, unconfirmed } from './requests';

const place = { arm: 'holysheep', target: 'holysheep-primary' };

describeOnEachDatabase('the observer of the ledger', (databases) => {
  let database: TestDatabase;
  let ledger: Ledger;
  let told: unknown[][];
  let tries: [kind: string, isAvailable: boolean][];
  beforeEach(async () => {
    told = [];
    tries = [];
    const observer: LedgerObserver = {
      tried: (kind, seconds, isAvailable) => {
        expect(seconds).toBeGreaterThanOrEqual(0);
        tries.push([kind, isAvailable]);
      },
      callEnded: (ending) => told.push(['call', ending]),
      costChanged: (change) => told.push(['cost', change]),
      answerFlagged: (flagged) => told.push(['flag', flagged]),
      feedbackGiven: (feedback) => told.push(['feedback', feedback]),
    };
    database = await databases.create();
    ledger = await openLedger(database.location, { observer });
    await ledger.admit(admitRequest('turn', 400, { language: 'zh' }));
  });
  afterEach(async () => {
    await ledger.close();
    await database.remove();
  });

  const cost = (confirmedNanoUsd: number, unconfirmedNanoUsd: number) => [
    'cost',
    { ...place, confirmedNanoUsd, unconfirmedNanoUsd },
  ];
  const call = (outcome: string | null, latencyMs = 180, firstTokenMs: number | null = null) => [
    'call',
    { ...place, outcome, latencyMs, firstTokenMs },
  ];

  test('hears of an answered call, its cost and its flags once, however often the turn is recorded', async () => {
    const record = turnRecord('turn', [settled(1, 300, { firstTokenMs: 42 })]);
    await ledger.recordTurn({ ...record, flags: ['refused', 'wrong-language'] });
    await ledger.recordTurn({ ...record, flags: ['refused', 'wrong-language'] });
    expect(told).toEqual([
      ['flag', { arm: 'holysheep', flag: 'refused', language: 'zh' }],
      ['flag', { arm: 'holysheep', flag: 'wrong-language', language: 'zh' }],
      cost(300, 0),
      call('answered', 180, 42),
    ]);
  });

  test('hears of every call of a turn, and of what it cost or may have cost', async () => {
    await ledger.settleAttempt('turn', released(1));
    await ledger.reserveAttempt(reserveRequest('turn', 500));
    await ledger.settleAttempt('turn', { ...unconfirmed(2), outcome: 'timeout' });
    await ledger.reserveAttempt(reserveRequest('turn', 500));
    await ledger.recordTurn(turnRecord('turn', [settled(3, 300)]));
    expect(told).toEqual([
      cost(0, 0),
      call('rate-limited'),
      cost(0, 500),
      call('timeout'),
      cost(300, 0),
      call('answered'),
    ]);
  });

  test('hears that an unconfirmed amount was resolved, and does not count its call again', async () => {
    await ledger.postAbandonedReservations(1_000, noonMs + 60_000);
    await ledger.settleAttempt('turn', settled(1, 300));
    await ledger.settleAttempt('turn', settled(1, 300));
    expect(told).toEqual([cost(0, 400), call(null, 60_000), cost(300, -400)]);
  });

  test('hears nothing of calls that were not made', async () => {
    await ledger.settleAttempt('turn', { ...released(1), outcome: 'circuit-open', httpStatus: null });
    expect(told).toEqual([cost(0, 0)]);
  });

  test('hears nothing of a transaction that fails', async () => {
    await expect(ledger.recordTurn(turnRecord('turn', [settled(1, 300), settled(2, 300)]))).rejects.toThrow(
      'attempt 2',
    );
    expect(told).toEqual([]);
    expect(tries.at(-1)).toEqual(['write', true]);
  });

  test('hears of a flag that is added later, once', async () => {
    await ledger.recordTurn({ ...turnRecord('turn', [settled(1, 300)]), rescuedBy: 'legacy', flags: [] });
    told.length = 0;
    await ledger.flagAnswer('turn', 'asked-again');
    await ledger.flagAnswer('turn', 'asked-again');
    await ledger.flagAnswer('nobody', 'asked-again');
    expect(told).toEqual([['flag', { arm: 'legacy', flag: 'asked-again', language: 'zh' }]]);
  });

  test('hears of feedback, and again only when it changes', async () => {
    for (const signal of ['up', 'up', 'down'] as const)
      await ledger.recordFeedback({ turnId: 'turn', signal, atMs: noonMs });
    await ledger.recordFeedback({ turnId: 'nobody', signal: 'up' });
    expect(told).toEqual(['up', 'down'].map((signal) => ['feedback', { arm: 'holysheep', signal }]));
  });

  test('hears of reads and transactions, one by one', async () => {
    tries.length = 0;
    await ledger.costTotals();
    await ledger.check();
    expect(tries).toEqual([
      ['read', true],
      ['read', true],
      ['write', true],
    ]);
  });
});
