/** A settlement may be unusual, but its call was made all the same. */
import type { Settlement } from '../../src/contract/turn';
import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { admitRequest, plan, reservation, settled, turnRecord, unconfirmed } from './requests';

const usage = { promptTokens: 30, cachedPromptTokens: 10, completionTokens: 12 };

describeOnEachDatabase('unusual usage', (databases) => {
  let opened: TestLedger;
  let ledger: Ledger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  async function day(): Promise<{ readonly spent: number; readonly reserved: number }> {
    const [row] = await opened.database.query<{ spent: string; reserved: string }>(
      "select spent_nano_usd as spent, reserved_nano_usd as reserved from budgets where scope like 'day:%'",
    );
    return { spent: Number(row?.spent), reserved: Number(row?.reserved) };
  }

  test('token counts of more than 32 bits are kept and come back as numbers', async () => {
    const many = { promptTokens: 3e9, cachedPromptTokens: 2.5e9, completionTokens: 4e9 };
    await ledger.admit(admitRequest('turn', 400));
    const totals = await ledger.recordTurn(turnRecord('turn', [settled(1, 300, { usage: many })]));
    expect(totals).toMatchObject({ promptTokens: 3e9, completionTokens: 4e9 });
    expect(await ledger.attempts('turn')).toMatchObject([{ promptTokens: 3e9, completionTokens: 4e9 }]);
    expect(await ledger.costTotals()).toMatchObject({ tokens: 7e9 });
    // Read again for the totals.
    await ledger.settleAttempt('turn', unconfirmed(1));
    expect(await ledger.recordTurn(turnRecord('turn', []))).toMatchObject({ promptTokens: 3e9, completionTokens: 4e9 });
  });

  test('a call that cost more than its reservation is booked in full, and the excess is shown', async () => {
    const caps = { sessionNanoUsd: 1_000, dayNanoUsd: 1_000 };
    await ledger.admit(admitRequest('turn', 400, { caps }));
    const usageNote = 'Over the reservation: so much.';
    await ledger.recordTurn(turnRecord('turn', [settled(1, 1_200, { usageNote })]));
    expect(await day()).toEqual({ spent: 1_200, reserved: 0 });
    expect(await ledger.attempts('turn')).toMatchObject([{ state: 'settled', costNanoUsd: 1_200, usageNote }]);
    expect(await ledger.costTotals()).toMatchObject({ costNanoUsd: 1_200, overReservedNanoUsd: 800 });
    expect(await ledger.admit(admitRequest('next', 1, { caps }))).toMatchObject({
      kind: 'refused',
      scope: 'day',
      remainingNanoUsd: 0,
    });
  });

  test('costs show which model’s claims were disbelieved', async () => {
    const gemini = { plan: () => plan(reservation(400, { model: 'gemini-2.5-flash' })) };
    for (const turnId of ['one', 'two', 'silent']) await ledger.admit(admitRequest(turnId, 400, gemini));
    await ledger.admit(admitRequest('honest', 400));
    const doubted: Settlement = { ...unconfirmed(1), outcome: 'answered', usageNote: 'Not believed: too much.' };
    await ledger.recordTurn(turnRecord('one', [doubted]));
    await ledger.settleAttempt('two', doubted);
    await ledger.recordTurn(turnRecord('silent', [{ ...unconfirmed(1), outcome: 'answered' }]));
    await ledger.recordTurn(turnRecord('honest', [settled(1, 300)]));
    expect(await ledger.costTotals()).toMatchObject({ disbelievedCalls: 2, unconfirmedNanoUsd: 1_200 });
    const rows = await ledger.costsBy('model', 10);
    expect(rows.map(({ key, disbelievedCalls }) => [key, disbelievedCalls])).toEqual([
      ['deepseek-v3.2', 0],
      ['gemini-2.5-flash', 2],
    ]);
  });

  test('a note disappears when the true usage arrives late', async () => {
    await ledger.admit(admitRequest('turn', 400));
    await ledger.settleAttempt('turn', { ...unconfirmed(1), usageNote: 'Not believed: too much.' });
    await ledger.settleAttempt('turn', settled(1, 300));
    expect(await ledger.attempts('turn')).toMatchObject([{ state: 'settled', costNanoUsd: 300, usageNote: null }]);
  });

  test.each<[string, number]>([
    ['costNanoUsd', Number.NaN],
    ['costNanoUsd', -1],
    ['costNanoUsd', 0.5],
    ['costNanoUsd', 2 ** 53],
    ['promptTokens', 1e300],
    ['cachedPromptTokens', 1.5],
    ['completionTokens', -5],
    ['completionTokens', Infinity],
    ['completionTokens', Number.NaN],
  ])('a settlement whose %s is %p still ends its turn, at the reserved amount', async (field, value) => {
    const odd = settled(
      1,
      field === 'costNanoUsd' ? value : 300,
      field === 'costNanoUsd' ? {} : { usage: { ...usage, [field]: value } },
    );
    await ledger.admit(admitRequest('turn', 400));
    const totals = await ledger.recordTurn(turnRecord('turn', [odd]));
    expect(totals).toMatchObject({ costNanoUsd: 0, unconfirmedNanoUsd: 400, completionTokens: 0 });
    expect(await ledger.attempts('turn')).toMatchObject([
      { state: 'unconfirmed', outcome: 'answered', costNanoUsd: 400, usageNote: expect.stringContaining(field) },
    ]);
    expect(await day()).toEqual({ spent: 400, reserved: 0 });
    await ledger.admit(admitRequest('other', 400));
    await ledger.settleAttempt('other', odd);
    expect(await day()).toEqual({ spent: 800, reserved: 0 });
  });
});
