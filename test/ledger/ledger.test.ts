import { costDimensions } from '../../src/contract/ledger';
import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestDatabase, type TestLedger } from '../support/ledgers';
import {
  admitRequest,
  dayMs,
  newKey,
  noonMs,
  plan,
  released,
  reservation,
  reserveRequest,
  settled,
  turnRecord,
  unconfirmed,
  wideCaps,
} from './requests';

describeOnEachDatabase('the ledger', (databases) => {
  let ledger: Ledger;
  let database: TestDatabase;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger, database } = opened);
  });
  afterEach(() => opened.close());

  /** Spent and reserved by scope. */
  async function budgets(): Promise<Record<string, readonly [number, number]>> {
    const rows = await database.query<{ scope: string; spent: string; reserved: string }>(
      'select scope, spent_nano_usd as spent, reserved_nano_usd as reserved from budgets order by scope',
    );
    return Object.fromEntries(rows.map((row) => [row.scope, [Number(row.spent), Number(row.reserved)] as const]));
  }

  async function outcomeOf(turnId: string): Promise<string | null | undefined> {
    const rows = await database.query<{ outcome: string | null }>(
      `select outcome from turns where turn_id = '${turnId}'`,
    );
    return rows[0]?.outcome;
  }

  async function states(turnId: string): Promise<readonly string[]> {
    return (await ledger.attempts(turnId)).map((row) => row.state);
  }

  describe('admit', () => {
    test('a new turn gets attempt 1, and its worst case is reserved on session and day', async () => {
      const result = await ledger.admit(admitRequest('turn', 400));
      expect(result).toEqual({
        kind: 'admitted',
        arm: 'holysheep',
        canary: false,
        rescueArm: null,
        countedIn: null,
        attempt: 1,
        reservedNanoUsd: 400,
      });
      expect(await budgets()).toEqual({ 'day:2026-11-23': [0, 400], 'session:session': [0, 400] });
    });

    test('the same request again gets the same answer and reserves nothing', async () => {
      const request = admitRequest('turn', 400);
      const first = await ledger.admit(request);
      expect(await ledger.admit(request)).toEqual(first);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [0, 400], 'session:session': [0, 400] });
    });

    test('a turn without a session counts against the day only', async () => {
      await ledger.admit(admitRequest('turn', 400, { sessionId: null }));
      expect(await budgets()).toEqual({ 'day:2026-11-23': [0, 400] });
    });

    test('another request for the turn posts the open attempt as unconfirmed and keeps the arm', async () => {
      await ledger.admit(admitRequest('turn', 400, { plan: () => plan(reservation(400, { arm: 'legacy' })) }));
      const second = await ledger.admit(
        admitRequest('turn', 400, {
          plan: ({ previousArm }) => plan(reservation(400, { arm: previousArm ?? 'holysheep' })),
        }),
      );
      expect(second).toEqual({
        kind: 'admitted',
        arm: 'legacy',
        canary: false,
        rescueArm: null,
        countedIn: null,
        attempt: 2,
        reservedNanoUsd: 400,
      });
      expect(await states('turn')).toEqual(['unconfirmed', 'reserved']);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [400, 400], 'session:session': [400, 400] });
    });

    test('a reservation that exactly fits is admitted, and one nano-dollar more is refused', async () => {
      const caps = { sessionNanoUsd: 1_000, dayNanoUsd: 1_000 };
      expect(await ledger.admit(admitRequest('one', 600, { caps }))).toMatchObject({ kind: 'admitted' });
      expect(await ledger.admit(admitRequest('two', 401, { caps }))).toMatchObject({ kind: 'refused' });
      expect(await ledger.admit(admitRequest('three', 400, { caps }))).toMatchObject({ kind: 'admitted' });
    });

    test.each([
      ['session', { sessionNanoUsd: 500, dayNanoUsd: 10_000 }],
      ['day', { sessionNanoUsd: 10_000, dayNanoUsd: 500 }],
      ['day', { sessionNanoUsd: 500, dayNanoUsd: 500 }],
    ] as const)('a full %s refuses and leaves nothing reserved', async (scope, caps) => {
      await ledger.admit(admitRequest('one', 400, { caps }));
      await ledger.recordTurn(turnRecord('one', [settled(1, 300)]));
      const refused = await ledger.admit(admitRequest('two', 400, { caps }));
      expect(refused).toEqual({ kind: 'refused', scope, remainingNanoUsd: caps.dayNanoUsd - 300 });
      expect(await budgets()).toEqual({ 'day:2026-11-23': [300, 0], 'session:session': [300, 0] });
      expect(await outcomeOf('two')).toBe('refused');
      expect(await ledger.attempts('two')).toEqual([]);
    });

    test.each(['session', 'day'] as const)('a worst case above the %s cap is refused', async (scope) => {
      const caps = { ...wideCaps, [`${scope}NanoUsd`]: 399 };
      expect(await ledger.admit(admitRequest('turn', 400, { caps }))).toMatchObject({ kind: 'refused', scope });
    });

    test('a cap lowered below the spending refuses and reserves nothing', async () => {
      await ledger.admit(admitRequest('one', 400));
      await ledger.recordTurn(turnRecord('one', [settled(1, 400)]));
      const refused = await ledger.admit(admitRequest('two', 1, { caps: { ...wideCaps, dayNanoUsd: 100 } }));
      expect(refused).toEqual({ kind: 'refused', scope: 'day', remainingNanoUsd: 0 });
    });

    test('a closed session refuses, whether or not it was used before', async () => {
      await ledger.admit(admitRequest('one', 400));
      await ledger.closeSession('session', noonMs);
      await ledger.closeSession('session', noonMs + 1);
      await ledger.closeSession('unused', noonMs);
      expect(await ledger.admit(admitRequest('two', 400))).toMatchObject({ kind: 'refused', scope: 'closed' });
      const unused = admitRequest('three', 400, { sessionId: 'unused' });
      expect(await ledger.admit(unused)).toMatchObject({ kind: 'refused', scope: 'closed' });
    });

    test('an attempt can still be settled if its session closes meanwhile', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.closeSession('session', noonMs);
      expect(await ledger.recordTurn(turnRecord('turn', [settled(1, 100)]))).toMatchObject({ costNanoUsd: 100 });
    });

    test('a turn refused today is admitted on the next day, with that day’s budget', async () => {
      const caps = { ...wideCaps, dayNanoUsd: 400 };
      await ledger.admit(admitRequest('one', 400, { caps }));
      expect(await ledger.admit(admitRequest('two', 400, { caps }))).toMatchObject({ kind: 'refused' });
      const tomorrow = admitRequest('two', 400, { caps, atMs: noonMs + dayMs });
      expect(await ledger.admit(tomorrow)).toMatchObject({ kind: 'admitted', attempt: 1 });
      expect(await outcomeOf('two')).toBeNull();
      const { latencyMs } = await ledger.recordTurn(turnRecord('two', [], { atMs: noonMs + dayMs + 70 }));
      expect(latencyMs).toBe(70);
    });

    test('a refused request is still refused if it is repeated after money became available', async () => {
      const caps = { ...wideCaps, dayNanoUsd: 400 };
      await ledger.admit(admitRequest('one', 400, { caps }));
      const request = admitRequest('two', 400, { caps });
      await ledger.admit(request);
      await ledger.settleAttempt('one', released(1));
      expect(await ledger.admit(request)).toEqual({ kind: 'refused', scope: 'day', remainingNanoUsd: 400 });
      expect(await ledger.admit(admitRequest('two', 400, { caps }))).toMatchObject({ kind: 'admitted' });
    });

    test('an admitted turn that is refused at its second admission keeps its first attempt', async () => {
      const caps = { ...wideCaps, dayNanoUsd: 700 };
      await ledger.admit(admitRequest('turn', 400, { caps }));
      expect(await ledger.admit(admitRequest('turn', 400, { caps }))).toMatchObject({ kind: 'refused', scope: 'day' });
      expect(await states('turn')).toEqual(['unconfirmed']);
      expect(await outcomeOf('turn')).toBe('refused');
      expect(await budgets()).toEqual({ 'day:2026-11-23': [400, 0], 'session:session': [400, 0] });
    });

    test('an answered turn that is refused at a later admission stays answered', async () => {
      const caps = { ...wideCaps, dayNanoUsd: 700 };
      await ledger.admit(admitRequest('turn', 400, { caps }));
      await ledger.recordTurn(turnRecord('turn', [settled(1, 400)]));
      expect(await ledger.admit(admitRequest('turn', 400, { caps }))).toMatchObject({ kind: 'refused' });
      expect(await outcomeOf('turn')).toBe('answered');
    });

    test('counts what calls wrote to caches', async () => {
      await ledger.admit(admitRequest('turn', 400));
      const usage = { promptTokens: 30, cachedPromptTokens: 10, cacheWriteTokens: 15, completionTokens: 12 };
      await ledger.settleAttempt('turn', { ...unconfirmed(1), state: 'settled', costNanoUsd: 100, usage });
      await ledger.reserveAttempt(reserveRequest('turn', 250));
      const totals = await ledger.recordTurn(turnRecord('turn', [{ ...settled(2, 120), usage }]));
      expect(totals).toMatchObject({ promptTokens: 60, cachedPromptTokens: 20, cacheWriteTokens: 30 });
    });

    describe('a turn that comes back', () => {
      const admitOf = (firstRunId: string | null) => ledger.admit(admitRequest('turn', 400, { firstRunId }));
      const answer = (attempt: number) => ledger.recordTurn(turnRecord('turn', [settled(attempt, 100)]));

      test('from another workflow is not bought again once it is answered', async () => {
        await admitOf('one');
        await answer(1);
        expect(await admitOf('two')).toEqual({ kind: 'not-kept' });
        expect(await states('turn')).toEqual(['settled']);
        expect(await outcomeOf('turn')).toBe('answered');
        expect(await budgets()).toEqual({ 'day:2026-11-23': [100, 0], 'session:session': [100, 0] });
      });

      test('from its own workflow is answered again: the worker died before its task was completed', async () => {
        await admitOf('one');
        await answer(1);
        expect(await admitOf('one')).toMatchObject({ kind: 'admitted', attempt: 2 });
      });

      test.each<[string, (attempt: number) => Promise<unknown>]>([
        ['is still open', () => Promise.resolve()],
        [
          'was degraded',
          (attempt) => ledger.recordTurn(turnRecord('turn', [released(attempt)], { outcome: 'degraded' })),
        ],
      ])('and %s is admitted for another workflow, to which its answer then belongs', async (_, end) => {
        await admitOf('one');
        await end(1);
        expect(await admitOf('two')).toMatchObject({ kind: 'admitted', attempt: 2 });
        await answer(2);
        expect(await admitOf('one')).toEqual({ kind: 'not-kept' });
        expect(await admitOf('two')).toMatchObject({ kind: 'admitted', attempt: 3 });
      });

      test.each([
        [null, 'two'],
        ['one', null],
        [null, null],
      ])('is admitted where a workflow is not known (%p, then %p)', async (first, second) => {
        await admitOf(first);
        await answer(1);
        expect(await admitOf(second)).toMatchObject({ kind: 'admitted', attempt: 2 });
      });
    });

    test.each([0.5, -1, Number.NaN, 2 ** 53])('a worst case of %p is not an amount of money', async (amount) => {
      await expect(ledger.admit(admitRequest('turn', amount))).rejects.toThrow('whole nano-dollars');
      expect(await budgets()).toEqual({});
    });
  });

  describe('reserveAttempt', () => {
    test('gives the next number and posts an open attempt as unconfirmed', async () => {
      await ledger.admit(admitRequest('turn', 400));
      const next = reserveRequest('turn', 250, { reservation: reservation(250, { target: 'holysheep-fallback' }) });
      expect(await ledger.reserveAttempt(next)).toEqual({ kind: 'reserved', attempt: 2, reservedNanoUsd: 250 });
      expect(await states('turn')).toEqual(['unconfirmed', 'reserved']);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [400, 250], 'session:session': [400, 250] });
    });

    test('the same request again gets the same answer and reserves nothing', async () => {
      await ledger.admit(admitRequest('turn', 400));
      const request = reserveRequest('turn', 250);
      const first = await ledger.reserveAttempt(request);
      await ledger.settleAttempt('turn', released(2));
      expect(await ledger.reserveAttempt(request)).toEqual(first);
      expect(await states('turn')).toEqual(['unconfirmed', 'released']);
    });

    test('is refused like a turn and leaves nothing reserved', async () => {
      const caps = { ...wideCaps, sessionNanoUsd: 500 };
      await ledger.admit(admitRequest('turn', 400, { caps }));
      await ledger.settleAttempt('turn', settled(1, 350));
      const request = reserveRequest('turn', 250, { caps });
      const refused = { kind: 'refused', scope: 'session', remainingNanoUsd: wideCaps.dayNanoUsd - 350 };
      expect(await ledger.reserveAttempt(request)).toEqual(refused);
      expect(await ledger.reserveAttempt(request)).toEqual(refused);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [350, 0], 'session:session': [350, 0] });
      expect(await outcomeOf('turn')).toBeNull();
    });

    test('says so if the turn was never admitted', async () => {
      await expect(ledger.reserveAttempt(reserveRequest('nobody', 1))).rejects.toThrow(
        'turn nobody: it has no such turn',
      );
    });
  });

  describe('settleAttempt', () => {
    test.each([
      ['settled at its cost', settled(1, 120), 120],
      ['released for nothing', released(1), 0],
      ['unconfirmed at what was reserved', unconfirmed(1), 400],
    ])('an attempt is %s', async (_title, settlement, spent) => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.settleAttempt('turn', settlement);
      await ledger.settleAttempt('turn', settlement);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [spent, 0], 'session:session': [spent, 0] });
    });

    test.each([
      ['settled', settled(1, 120), 120],
      ['released', released(1), 0],
    ])('an unconfirmed attempt becomes %s when its outcome arrives', async (state, settlement, spent) => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.settleAttempt('turn', unconfirmed(1));
      await ledger.settleAttempt('turn', settlement);
      expect(await states('turn')).toEqual([state]);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [spent, 0], 'session:session': [spent, 0] });
    });

    test.each([
      ['settled', settled(1, 120), 120],
      ['released', released(1), 0],
    ])('a %s attempt never changes again', async (state, settlement, spent) => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.settleAttempt('turn', settlement);
      for (const later of [unconfirmed(1), released(1), settled(1, 7)]) await ledger.settleAttempt('turn', later);
      expect(await states('turn')).toEqual([state]);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [spent, 0], 'session:session': [spent, 0] });
    });

    test('an attempt counts against the day it was reserved, whenever it ends', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.settleAttempt('turn', settled(1, 120, { endedAtMs: noonMs + dayMs }));
      expect(await budgets()).toEqual({ 'day:2026-11-23': [120, 0], 'session:session': [120, 0] });
    });

    test('says so if the attempt does not exist, and changes nothing', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await expect(ledger.settleAttempt('turn', settled(2, 1))).rejects.toThrow('attempt 2 of turn turn');
      await expect(ledger.settleAttempt('nobody', settled(1, 1))).rejects.toThrow('attempt 1 of turn nobody');
      expect(await states('turn')).toEqual(['reserved']);
    });
  });

  describe('recordTurn', () => {
    test('ends the given attempts and returns the totals of the turn', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.settleAttempt('turn', unconfirmed(1));
      await ledger.reserveAttempt(reserveRequest('turn', 250));
      const totals = await ledger.recordTurn(turnRecord('turn', [settled(2, 120)], { dayCapNanoUsd: 1_000 }));
      expect(totals).toEqual({
        attempts: 2,
        promptTokens: 30,
        cachedPromptTokens: 10,
        completionTokens: 12,
        costNanoUsd: 120,
        unconfirmedNanoUsd: 400,
        latencyMs: 200,
        remainingNanoUsd: 480,
      });
      expect(await outcomeOf('turn')).toBe('answered');
    });

    test('the same record again changes nothing and returns the same totals', async () => {
      await ledger.admit(admitRequest('turn', 400));
      const first = await ledger.recordTurn(turnRecord('turn', [settled(1, 120)]));
      expect(await ledger.recordTurn(turnRecord('turn', [settled(1, 120)], { atMs: noonMs + 9_000 }))).toEqual(first);
    });

    test('a reservation that was released before any call is not an attempt', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.settleAttempt('turn', { ...released(1), outcome: 'circuit-open' });
      await ledger.reserveAttempt(reserveRequest('turn', 400));
      expect(await ledger.recordTurn(turnRecord('turn', [settled(2, 50)]))).toMatchObject({ attempts: 1 });
    });

    test('a turn recorded again after a crash gets the newer outcome, and its latency from the first admission', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.recordTurn(turnRecord('turn', [unconfirmed(1)], { outcome: 'degraded' }));
      await ledger.admit(admitRequest('turn', 400, { atMs: noonMs + 5_000 }));
      const totals = await ledger.recordTurn(turnRecord('turn', [settled(2, 50)], { atMs: noonMs + 6_000 }));
      expect(totals).toMatchObject({ attempts: 2, costNanoUsd: 50, unconfirmedNanoUsd: 400, latencyMs: 6_000 });
      expect(await outcomeOf('turn')).toBe('answered');
    });

    test('the remaining budget is that of the day of recording, and latency is never negative', async () => {
      await ledger.admit(admitRequest('turn', 400));
      const nextDay = turnRecord('turn', [settled(1, 400)], { dayCapNanoUsd: 1_000, atMs: noonMs + dayMs });
      expect(await ledger.recordTurn(nextDay)).toMatchObject({ remainingNanoUsd: 1_000, latencyMs: dayMs });
      await ledger.admit(admitRequest('other', 400));
      expect(await ledger.recordTurn(turnRecord('other', [], { atMs: noonMs - 1 }))).toMatchObject({ latencyMs: 0 });
    });

    test('ends attempts of two days, each on its own day', async () => {
      await ledger.admit(admitRequest('turn', 400));
      await ledger.reserveAttempt(reserveRequest('turn', 300, { atMs: noonMs + dayMs }));
      await ledger.recordTurn(turnRecord('turn', [settled(1, 40), settled(2, 30)]));
      const expected = { 'day:2026-11-23': [40, 0], 'day:2026-11-24': [30, 0], 'session:session': [70, 0] };
      expect(await budgets()).toEqual(expected);
    });

    test('says so if the turn or an attempt does not exist, and changes nothing', async () => {
      await expect(ledger.recordTurn(turnRecord('nobody', []))).rejects.toThrow('turn nobody: it has no such turn');
      await ledger.admit(admitRequest('turn', 400));
      await expect(ledger.recordTurn(turnRecord('turn', [settled(1, 5), settled(2, 5)]))).rejects.toThrow('attempt 2');
      expect(await outcomeOf('turn')).toBeNull();
      expect(await states('turn')).toEqual(['reserved']);
    });
  });

  describe('postAbandonedReservations', () => {
    test('posts old reservations as unconfirmed, once, and leaves recent and ended ones', async () => {
      await ledger.admit(admitRequest('old', 400, { atMs: noonMs - 60_000 }));
      await ledger.admit(admitRequest('ended', 400, { atMs: noonMs - 60_000 }));
      await ledger.settleAttempt('ended', settled(1, 10));
      await ledger.admit(admitRequest('young', 400));
      expect(await ledger.postAbandonedReservations(30_000, noonMs)).toBe(1);
      expect(await ledger.postAbandonedReservations(30_000, noonMs)).toBe(0);
      expect((await ledger.attempts()).map((row) => [row.turnId, row.state])).toEqual([
        ['ended', 'settled'],
        ['old', 'unconfirmed'],
        ['young', 'reserved'],
      ]);
      expect(await budgets()).toEqual({ 'day:2026-11-23': [410, 400], 'session:session': [410, 400] });
    });
  });

  describe('costs', () => {
    beforeEach(async () => {
      await ledger.keys.create(newKey('k1', { name: 'support-bot' }));
      await ledger.admit(admitRequest('a', 400, { sessionId: 'first', keyId: 'k1' }));
      await ledger.settleAttempt('a', unconfirmed(1));
      const fallback = reservation(900, { target: 'holysheep-fallback', model: 'gemini-2.5-flash' });
      await ledger.reserveAttempt(reserveRequest('a', 900, { reservation: fallback, keyId: 'k1' }));
      await ledger.recordTurn(turnRecord('a', [settled(2, 700)]));
      const legacy = { plan: () => plan(reservation(800, { arm: 'legacy', model: 'gpt-4.1' })) };
      await ledger.admit(admitRequest('b', 800, { ...legacy, sessionId: null, atMs: noonMs + dayMs }));
      await ledger.recordTurn(turnRecord('b', [settled(1, 750)]));
      await ledger.admit(admitRequest('c', 55, { sessionId: 'second', keyId: 'gone', atMs: noonMs + dayMs }));
    });

    test('totals keep confirmed, unconfirmed and reserved costs apart', async () => {
      expect(await ledger.costTotals()).toEqual({
        turns: 3,
        attempts: 4,
        tokens: 84,
        costNanoUsd: 1_450,
        unconfirmedNanoUsd: 400,
        overReservedNanoUsd: 0,
        disbelievedCalls: 0,
        reservedNanoUsd: 55,
        days: 2,
        today: expect.any(String),
      });
    });

    test.each([
      [
        'day',
        [
          ['2026-11-24', 2, 2, 42, 750, 0],
          ['2026-11-23', 1, 2, 42, 700, 400],
        ],
      ],
      [
        'session',
        [
          ['(none)', 1, 1, 42, 750, 0],
          ['first', 1, 2, 42, 700, 400],
          ['second', 1, 1, 0, 0, 0],
        ],
      ],
      [
        'model',
        [
          ['gpt-4.1', 1, 1, 42, 750, 0],
          ['gemini-2.5-flash', 1, 1, 42, 700, 0],
          ['deepseek-v3.2', 2, 2, 0, 0, 400],
        ],
      ],
      [
        'arm',
        [
          ['legacy', 1, 1, 42, 750, 0],
          ['holysheep', 2, 3, 42, 700, 400],
        ],
      ],
      [
        'key',
        [
          ['(none)', 1, 1, 42, 750, 0],
          ['k1', 1, 2, 42, 700, 400],
          ['gone', 1, 1, 0, 0, 0],
        ],
      ],
    ] as const)('by %s, in order', async (dimension, expected) => {
      const rows = await ledger.costsBy(dimension, 10);
      const flat = rows.map((row) => [
        row.key,
        row.turns,
        row.attempts,
        row.tokens,
        row.costNanoUsd,
        row.unconfirmedNanoUsd,
      ]);
      expect(flat).toEqual(expected);
      expect(await ledger.costsBy(dimension, 1)).toEqual(rows.slice(0, 1));
    });

    test.each([
      ['month', [['2026-11', 3, 4]]],
      ['provider', [['holysheep', 3, 4]]],
      [
        'target',
        [
          ['holysheep-primary', 3, 3],
          ['holysheep-fallback', 1, 1],
        ],
      ],
    ] as const)('by %s', async (dimension, expected) => {
      const rows = await ledger.costsBy(dimension, 10);
      expect(rows.map(({ key, turns, attempts }) => [key, turns, attempts])).toEqual(expected);
    });

    test('by several dimensions, in the order of their keys', async () => {
      const rows = await ledger.costsBy(['key', 'month', 'model'], 10);
      expect(rows.map(({ key, keys, name, costNanoUsd }) => [key, keys, name, costNanoUsd])).toEqual([
        ['(none)', ['(none)', '2026-11', 'gpt-4.1'], null, 750],
        ['gone', ['gone', '2026-11', 'deepseek-v3.2'], null, 0],
        ['k1', ['k1', '2026-11', 'deepseek-v3.2'], 'support-bot', 0],
        ['k1', ['k1', '2026-11', 'gemini-2.5-flash'], 'support-bot', 700],
      ]);
      await expect(ledger.costsBy(['day', 'day'], 10)).rejects.toThrow('1 to 3 different dimensions');
      await expect(ledger.costsBy([], 10)).rejects.toThrow('1 to 3 different dimensions');
    });

    test('by user and language join the turns', async () => {
      expect((await ledger.costsBy(['user', 'language'], 10)).map(({ keys, attempts }) => [keys, attempts])).toEqual([
        [['user', '(none)'], 4],
      ]);
    });

    test.each([
      [{ fromDay: '2026-11-24' }, 750, 0],
      [{ toDay: '2026-11-23' }, 700, 400],
      [{ fromDay: '2026-11-23', toDay: '2026-11-24' }, 1_450, 400],
      [{ fromDay: '2026-11-25' }, 0, 0],
    ])('of the period %j', async (period, costNanoUsd, unconfirmedNanoUsd) => {
      const totals = await ledger.costTotals(period);
      expect(totals).toMatchObject({ costNanoUsd, unconfirmedNanoUsd, reservedNanoUsd: 55 });
      for (const dimension of costDimensions) {
        const rows = await ledger.costsBy(dimension, 10, period);
        expect(rows.reduce((sum, row) => sum + row.costNanoUsd, 0)).toBe(costNanoUsd);
        expect(rows.reduce((sum, row) => sum + row.unconfirmedNanoUsd, 0)).toBe(unconfirmedNanoUsd);
      }
      const volume = await ledger.volume(period);
      expect(volume.reduce((sum, row) => sum + row.costNanoUsd, 0)).toBe(costNanoUsd);
      const calls = await ledger.endedCalls(period, 10);
      expect(calls.reduce((sum, call) => sum + call.costNanoUsd, 0)).toBe(costNanoUsd + unconfirmedNanoUsd);
    });

    test('ended calls have the ids that providers got, and one more than asked for tells that there are more', async () => {
      const calls = await ledger.endedCalls({}, 10);
      expect(calls.map(({ requestId, state }) => [requestId, state]).toSorted()).toEqual([
        ['a.1', 'unconfirmed'],
        ['a.2', 'settled'],
        ['b.1', 'settled'],
      ]);
      expect(await ledger.endedCalls({}, 2)).toHaveLength(3);
      expect(await ledger.endedCalls({}, 1)).toHaveLength(2);
    });

    test('by key have the names of known keys, and no other rows have names', async () => {
      const names = (await ledger.costsBy('key', 10)).map(({ key, name }) => [key, name]);
      expect(names).toEqual([
        ['(none)', null],
        ['k1', 'support-bot'],
        ['gone', null],
      ]);
      for (const row of await ledger.costsBy('session', 10)) expect(row).not.toHaveProperty('name');
    });

    test('of an empty ledger are zero', async () => {
      const empty = await openTestLedger(databases);
      expect(await empty.ledger.costTotals()).toEqual({
        turns: 0,
        attempts: 0,
        tokens: 0,
        costNanoUsd: 0,
        unconfirmedNanoUsd: 0,
        overReservedNanoUsd: 0,
        disbelievedCalls: 0,
        reservedNanoUsd: 0,
        days: 0,
        today: expect.any(String),
      });
      expect(await empty.ledger.costsBy('day', 5)).toEqual([]);
      expect(await empty.ledger.costsBy('key', 5)).toEqual([]);
      await empty.close();
    });

    test('a sum that a number cannot hold exactly is an error, not a wrong figure', async () => {
      const caps = { sessionNanoUsd: Number.MAX_SAFE_INTEGER, dayNanoUsd: Number.MAX_SAFE_INTEGER };
      const huge = 2 ** 53 - 1;
      for (const day of [2, 3]) {
        const over = { caps, sessionId: `huge ${day}`, atMs: noonMs + day * dayMs };
        await ledger.admit(admitRequest(`huge ${day}`, huge, over));
        await ledger.recordTurn(turnRecord(`huge ${day}`, [settled(1, huge)]));
      }
      await expect(ledger.costTotals()).rejects.toThrow('more than a JavaScript number can hold');
    });
  });

  test('a check leaves nothing behind', async () => {
    const rows = () => database.query('select * from images');
    const before = await rows();
    await Promise.all([ledger.check(), ledger.check()]);
    expect(await rows()).toEqual(before);
  });

  test('it says which database it is', async () => {
    expect(ledger.database).toMatch(
      databases.name === 'SQLite' ? /^SQLite .*ledger\.db$/ : /^PostgreSQL 127\.0\.0\.1:\d+\/ledger_\w+$/,
    );
  });
});
