import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import type { InvoicedCall } from '../../src/contract/ledger';
import { readInvoice } from '../../src/operator/invoice';
import { reconcile } from '../../src/operator/reconcile';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bellwether-invoice-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function fileWith(text: string): string {
  const path = join(directory, 'invoice.csv');
  writeFileSync(path, text);
  return path;
}

const read = (text: string) => readInvoice(fileWith(text));

function call(requestId: string, state: InvoicedCall['state'], costNanoUsd: number, changes = {}): InvoicedCall {
  const usual = { day: '2026-11-23', endedDay: '2026-11-23', provider: 'holysheep', model: 'deepseek-v3.2' };
  return { requestId, state, costNanoUsd, ...usual, ...changes };
}

/** A ledger with these calls. */
const ledgerOf = (calls: readonly InvoicedCall[]) => ({
  endedCalls: ({ fromDay = '', toDay = '9999' }, limit: number) =>
    Promise.resolve(calls.filter(({ day }) => day >= fromDay && day <= toDay).slice(0, limit + 1)),
});

describe('an invoice', () => {
  test('is read by the names that providers give their columns', async () => {
    const text = '\uFEFFUsage date,Model ID,Cost (USD)\n2026-11-23T23:30:00-02:00,"gpt-4.1","$1,234.56"\n';
    expect(await readInvoice(fileWith(text), { day: 'Usage date' })).toEqual([
      { requestId: null, day: '2026-11-24', model: 'gpt-4.1', nanoUsd: 1_234_560_000_000, toleranceNanoUsd: 5_000_000 },
    ]);
  });

  test.each([
    ['2026-11-23', '2026-11-23'],
    ['2026-11-23T23:30', '2026-11-23'],
    ['2026-11-23 23:30:00 UTC', '2026-11-23'],
    ['2026-11-23T23:30:00.123Z', '2026-11-23'],
    ['2026-11-23T23:30-0200', '2026-11-24'],
    ['2026-11-23T00:30:00+08:00', '2026-11-22'],
  ])('takes %s for a call of the UTC day %s', async (time, utcDay) => {
    expect(await read(`date,model,cost\n${time},m,1\n`)).toMatchObject([{ day: utcDay }]);
  });

  test.each([
    ['0.1', 100_000_000],
    ['0.000000001', 1],
    ['-2.50', -2_500_000_000],
    ['9000000', 9e15],
  ])('takes the amount %s exactly', async (amount, nanoUsd) => {
    expect(await read(`request_id,cost\na.1,${amount}\n`)).toMatchObject([{ requestId: 'a.1', nanoUsd }]);
  });

  test.each([
    ['', 'has no lines'],
    ['request_id,cost\n', 'has no lines'],
    [
      'request_id,tokens\na.1,3\n',
      'needs the columns request_id and cost, or date, model and cost. It has request_id, tokens',
    ],
    ['date,cost\n2026-11-23,1\n', 'needs the columns'],
    ['request_id,cost\na.1,"1,5"\n', "has the amount '1,5' on line 2"],
    ['request_id,cost\na.1,1e3\n', "has the amount '1e3' on line 2"],
    ['request_id,cost\na.1,99999999\n', 'more than $9 million'],
    ['request_id,cost,currency\na.1,1,CNY\n', 'is in CNY on line 2'],
    ['date,model,cost\n23.11.2026,m,1\n', "has the date '23.11.2026' on line 2"],
    ['date,model,cost\n2026-02-31T10:00:00Z,m,1\n', "has the date '2026-02-31T10:00:00Z' on line 2"],
    ['date,model,cost\n2026-02-30,m,1\n', "has the date '2026-02-30' on line 2"],
    ['request_id,cost\na.1,1,2\n', 'is not CSV'],
    ['request_id,cost\n"a.1,1\n', 'is not CSV'],
  ])('%j is refused', async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });

  test('without the named column is refused', async () => {
    const path = fileWith('request_id,cost\na.1,1\n');
    await expect(readInvoice(path, { cost: 'Charge' })).rejects.toThrow(
      'has no column Charge. Its columns are request_id, cost',
    );
  });
});

describe('by call', () => {
  test('each call is told by what the ledger knows of it', async () => {
    const calls = [
      call('same.1', 'settled', 420_000),
      call('dearer.1', 'settled', 420_000),
      call('missing.1', 'settled', 7),
      call('was-charged.1', 'unconfirmed', 5_000_000),
      call('not-charged.1', 'unconfirmed', 3_000_000),
      call('free.1', 'released', 0),
      call('free.2', 'released', 0),
    ];
    const lines = await read(
      'request_id,cost\nsame.1,0.00042\ndearer.1,0.000430\nwas-charged.1,0.001\nfree.1,0.002\nstranger.1,0.5\nsame.1,0.00042\n',
    );
    const found = await reconcile(ledgerOf(calls), lines, { period: {} });
    expect(found).toMatchObject({
      provider: 'holysheep',
      period: { fromDay: '2026-11-23', toDay: '2026-11-23' },
      confirmedNanoUsd: 840_007,
      unconfirmedNanoUsd: 8_000_000,
      chargedNanoUsd: 1_000_000,
      notChargedNanoUsd: 3_000_000,
      days: null,
      calls: {
        matching: { count: 1, nanoUsd: 420_000 },
        differing: { count: 1, nanoUsd: 10_000 },
        charged: { count: 1, nanoUsd: 1_000_000 },
        notCharged: { count: 1, nanoUsd: 3_000_000 },
        missing: { count: 1, nanoUsd: 7 },
        chargedThoughFree: { count: 1, nanoUsd: 2_000_000 },
        // The second line of a call, too.
        unknown: { count: 2, nanoUsd: 500_420_000 },
      },
    });
  });

  test('calls at midnight are on the invoice of either day', async () => {
    const calls = [
      call('late.1', 'settled', 5, { day: '2026-11-30', endedDay: '2026-12-01' }),
      call('noon.1', 'settled', 7, { day: '2026-11-30', endedDay: '2026-11-30' }),
      call('next.1', 'settled', 9, { day: '2026-12-01', endedDay: '2026-12-01' }),
    ];
    const november = await read('request_id,date,cost\nnoon.1,2026-11-30,0.000000007\n');
    const period = { fromDay: '2026-11-01', toDay: '2026-11-30' };
    expect(await reconcile(ledgerOf(calls), november, { period })).toMatchObject({ unexplainedNanoUsd: 0 });
    const december = await read('request_id,date,cost\nlate.1,2026-12-01,0.000000005\nnext.1,2026-12-01,0.000000009\n');
    for (const asked of [{}, { fromDay: '2026-12-01', toDay: '2026-12-31' }]) {
      const found = await reconcile(ledgerOf(calls), december, { period: asked });
      expect(found).toMatchObject({ unexplainedNanoUsd: 0, calls: { unknown: { count: 0 } } });
    }
  });

  test('part of an invoice without dates is compared by the days of its calls', async () => {
    const calls = [
      call('a.1', 'settled', 5, { day: '2026-11-03', endedDay: '2026-11-03' }),
      call('b.1', 'settled', 7, { day: '2026-11-23' }),
    ];
    const lines = await read('request_id,cost\na.1,0.000000005\nb.1,0.000000007\n');
    const found = await reconcile(ledgerOf(calls), lines, { period: { toDay: '2026-11-15' } });
    expect(found).toMatchObject({ invoicedNanoUsd: 5, confirmedNanoUsd: 5, unexplainedNanoUsd: 0 });
  });

  test('the same turn id in two sessions is two calls, each with its own amount', async () => {
    const calls = [call('1.1', 'settled', 5), call('1.1', 'settled', 7)];
    const lines = await read('request_id,cost\n1.1,0.000000007\n1.1,0.000000005\n');
    const found = await reconcile(ledgerOf(calls), lines, { period: {} });
    expect(found).toMatchObject({ unexplainedNanoUsd: 0, calls: { matching: { count: 2, nanoUsd: 12 } } });
  });

  test('an invoice of whole cents matches what it rounds', async () => {
    const lines = await read('request_id,cost\na.1,0.01\n');
    const found = await reconcile(ledgerOf([call('a.1', 'settled', 12_345_678)]), lines, { period: {} });
    expect(found).toMatchObject({ calls: { matching: { count: 1 } }, unexplainedNanoUsd: 0 });
  });
});

describe('by day and model', () => {
  test('what the invoice has beyond confirmed calls was charged of the unconfirmed ones', async () => {
    const calls = [
      call('a.1', 'settled', 400_000_000),
      call('b.1', 'unconfirmed', 300_000_000),
      call('c.1', 'unconfirmed', 300_000_000, { model: 'gpt-4.1' }),
      call('d.1', 'settled', 100_000_000, { day: '2026-11-24' }),
    ];
    const lines = await read(
      'date,model,cost\n2026-11-23,deepseek-v3.2,0.50\n2026-11-23,gpt-4.1-2025-04-14,0.90\n2026-11-24,deepseek-v3.2,0.05\n2026-11-24,other,0.01\n',
    );
    const { days, ...found } = await reconcile(ledgerOf(calls), lines, { period: {} });
    expect(found).toMatchObject({ chargedNanoUsd: 400_000_000, notChargedNanoUsd: 200_000_000 });
    expect(days).toEqual([
      row('2026-11-23', 'deepseek-v3.2', 500, 400, 300, 100, 200, 0),
      row('2026-11-23', 'gpt-4.1', 900, 0, 300, 300, 0, 600),
      row('2026-11-24', 'deepseek-v3.2', 50, 100, 0, 0, 0, -50),
      row('2026-11-24', 'other', 10, 0, 0, 0, 0, 10),
    ]);
    expect(found.unexplainedNanoUsd).toBe(660_000_000);
  });

  test('sums of any invoice add up', async () => {
    const amounts = fc.array(
      fc.record({ day: fc.integer({ min: 1, max: 3 }), cents: fc.integer({ min: 0, max: 500 }) }),
      {
        minLength: 1,
      },
    );
    const states = fc.constantFrom('settled' as const, 'unconfirmed' as const, 'released' as const);
    const calls = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 3 }), states, fc.integer({ min: 0, max: 5_000_000_000 })),
    );
    await fc.assert(
      fc.asyncProperty(amounts, calls, async (invoice, made) => {
        const lines = invoice.map(({ day: number, cents }) => ({
          requestId: null,
          day: `2026-11-0${number}`,
          model: 'm',
          nanoUsd: cents * 10_000_000,
          toleranceNanoUsd: 0,
        }));
        const ledger = ledgerOf(
          made.map(([number, state, cost], index) =>
            call(`${index}.1`, state, state === 'released' ? 0 : cost, { day: `2026-11-0${number}`, model: 'm' }),
          ),
        );
        const period = { fromDay: '2026-11-01', toDay: '2026-11-03' };
        const found = await reconcile(ledger, lines, { period, provider: 'holysheep' });
        expect(found.chargedNanoUsd + found.notChargedNanoUsd).toBe(found.unconfirmedNanoUsd);
        const unexplained = (found.days ?? []).reduce((sum, { unexplainedNanoUsd }) => sum + unexplainedNanoUsd, 0);
        expect(found.confirmedNanoUsd + found.chargedNanoUsd + unexplained).toBe(found.invoicedNanoUsd);
      }),
    );
  });

  test('lines outside the asked time do not count', async () => {
    const lines = await read('date,model,cost\n2026-11-23,deepseek-v3.2,0.40\n2026-12-01,deepseek-v3.2,9\n');
    const calls = [call('a.1', 'settled', 400_000_000)];
    const found = await reconcile(ledgerOf(calls), lines, { period: { toDay: '2026-11-30' } });
    expect(found).toMatchObject({ invoicedNanoUsd: 400_000_000, unexplainedNanoUsd: 0 });
  });
});

test('with several providers, it must be said whose invoice it is', async () => {
  const calls = [call('a.1', 'settled', 420_000), call('b.1', 'settled', 5, { provider: 'legacy' })];
  const lines = await read('request_id,cost\na.1,0.00042\n');
  await expect(reconcile(ledgerOf(calls), lines, { period: {} })).rejects.toThrow(
    'holysheep, legacy in this time. Say',
  );
  const found = await reconcile(ledgerOf(calls), lines, { period: {}, provider: 'holysheep' });
  expect(found).toMatchObject({ provider: 'holysheep', unexplainedNanoUsd: 0 });
});

function row(date: string, model: string, ...milliUsd: readonly number[]) {
  const [invoiced, confirmed, unconfirmed, charged, notCharged, unexplained] = milliUsd.map(
    (amount) => amount * 1_000_000,
  );
  return {
    day: date,
    model,
    invoicedNanoUsd: invoiced,
    confirmedNanoUsd: confirmed,
    unconfirmedNanoUsd: unconfirmed,
    chargedNanoUsd: charged,
    notChargedNanoUsd: notCharged,
    unexplainedNanoUsd: unexplained,
  };
}
