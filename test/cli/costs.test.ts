import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settlement } from '../../src/contract/turn';
import type { Ledger, Reservation } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { CliWorkspace } from './run-cli';

const dayMs = 24 * 60 * 60 * 1000;
const caps = { sessionNanoUsd: 500_000_000, dayNanoUsd: 100_000_000_000 };
const reservation: Reservation = {
  arm: 'holysheep',
  target: 'holysheep-primary',
  provider: 'holysheep',
  model: 'deepseek-v3.2',
  worstCaseNanoUsd: 5_000_000,
};

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

/** One turn with one attempt, reserved at $0.005 and ended as told. */
async function record(
  ledger: Ledger,
  turnId: string,
  atMs: number,
  state: 'settled' | 'unconfirmed' | 'open',
  keyId: string | null = null,
  changes: Partial<Settlement> = {},
  language?: string,
): Promise<void> {
  const sessionId = `session-of-${turnId}`;
  const request = {
    turnId,
    sessionId,
    userId: null,
    keyId,
    language,
    plan: () => ({ reservation, countedIn: null }),
    requestId: turnId,
    owner: 'test',
    caps,
    atMs,
  };
  const admitted = await ledger.admit(request);
  if (admitted.kind !== 'admitted') throw new Error('The ledger refused the turn.');
  if (state === 'open') return;
  const usage = state === 'settled' ? { promptTokens: 300, cachedPromptTokens: 0, completionTokens: 700 } : null;
  await ledger.settleAttempt(turnId, {
    attempt: admitted.attempt,
    state,
    costNanoUsd: state === 'settled' ? 420_000 : reservation.worstCaseNanoUsd,
    usage,
    outcome: state === 'settled' ? 'answered' : 'timeout',
    httpStatus: null,
    latencyMs: 100,
    endedAtMs: atMs + 100,
    ...changes,
  });
}

async function fillLedger(nowMs: number): Promise<void> {
  const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
  try {
    await record(ledger, 'yesterday', nowMs - dayMs, 'settled');
    await record(ledger, 'today', nowMs, 'settled');
    await record(ledger, 'lost', nowMs, 'unconfirmed');
    await record(ledger, 'running', nowMs, 'open');
  } finally {
    await ledger.close();
  }
}

describe('bellwether costs', () => {
  it('says so if nothing has run yet, and creates no ledger', async () => {
    const { status, stdout } = await workspace.spawn(['costs']);
    expect(status).toBe(0);
    expect(stdout).toContain('Nothing has been spent yet');
    expect(stdout).toContain('npx bellwether up');
    expect(await workspace.json(['costs'])).toMatchObject({ total_cost: 0, remaining_budget: 100, rows: [] });
    expect((await workspace.run(['costs'])).stdout).toBe(stdout);
  });

  it('adds up confirmed costs, and shows unconfirmed and reserved ones separately', async () => {
    await fillLedger(Date.now());
    expect(await workspace.json(['costs'])).toMatchObject({
      total_cost: 0.00084,
      total_tokens: 2000,
      total_turns: 4,
      total_attempts: 4,
      unconfirmed: 0.005,
      reserved: 0.005,
      day_cap: 100,
      guide_estimated_monthly_cost: 0.0252,
      by: 'day',
    });
  });

  it('shows what exceeded its reservation and what was disbelieved, if anything', async () => {
    await fillLedger(Date.now());
    const usual = await workspace.run(['costs']);
    expect(usual.stdout).not.toMatch(/over.reservation|disbelieved/);
    expect(await workspace.json(['costs'])).toMatchObject({ over_reservation: 0, disbelieved_calls: 0 });

    const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
    await record(ledger, 'dear', Date.now(), 'settled', null, { costNanoUsd: 7_000_000 });
    await record(ledger, 'lied', Date.now(), 'unconfirmed', null, { usageNote: 'Not believed: too much.' });
    await ledger.close();
    const costs = await workspace.json(['costs', '--by', 'model']);
    expect(costs).toMatchObject({
      over_reservation: 0.002,
      disbelieved_calls: 1,
      rows: [{ key: 'deepseek-v3.2', over_reservation: 0.002, disbelieved_calls: 1 }],
    });
    const { stdout } = await workspace.run(['costs', '--by', 'model']);
    expect(stdout).toMatch(/over_reservation +\$0.002000 /);
    expect(stdout).toMatch(/disbelieved_calls +1 /);
    expect(stdout).toMatch(/^model .* over reservation +disbelieved/m);
    expect(stdout).toMatch(/^deepseek-v3.2 .* \$0.002000 +1/m);
  });

  it('estimates a month from the mean of the days with spending', async () => {
    await fillLedger(Date.now());
    expect(await workspace.json(['costs'])).toMatchObject({ estimated_from_days: 2, estimated_monthly_cost: 0.0126 });
    const { stdout } = await workspace.run(['costs']);
    expect(stdout).toMatch(/estimated_monthly_cost +\$0.012600 +30 × the mean of 2 days with spending/);
    expect(stdout).toMatch(/\$0.025200 +the guide's estimate: 30 × the total/);
  });

  it.each([
    ['session', ['session-of-today', 'session-of-yesterday', 'session-of-lost', 'session-of-running']],
    ['model', ['deepseek-v3.2']],
    ['arm', ['holysheep']],
  ])('groups by %s', async (dimension, keys) => {
    await fillLedger(Date.now());
    const { rows } = (await workspace.json(['costs', '--by', dimension])) as { rows: { key: string }[] };
    expect(rows.map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
    const { stdout } = await workspace.run(['costs', '--by', dimension]);
    for (const key of keys) expect(stdout).toMatch(new RegExp(`^${key} +\\d`, 'm'));
  });

  it('groups by language, with the flags of its answers', async () => {
    const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
    for (const [turnId, flags] of [
      ['one', ['wrong-language', 'truncated']],
      ['two', ['wrong-language']],
      ['three', []],
    ] as const) {
      await record(ledger, turnId, Date.now(), 'settled', null, {}, 'zh');
      const answer = { target: 'holysheep-primary', model: 'deepseek-v3.2', flags } as const;
      const turn = { turnId, outcome: 'answered', error: null, settlements: [], dayCapNanoUsd: 0, ...answer } as const;
      await ledger.recordTurn(turn);
    }
    await ledger.close();
    expect(await workspace.json(['costs', '--by', 'language'])).toMatchObject({
      by: 'language',
      rows: [{ key: 'zh', turns: 3, cost: 0.00126, flags: { truncated: 1, 'wrong-language': 2 } }],
    });
    const { stdout } = await workspace.run(['costs', '--by', 'language']);
    expect(stdout).toMatch(/^language +flagged answers +turns/m);
    expect(stdout).toMatch(/^zh +2 wrong-language, 1 truncated +3/m);
  });

  it('groups by API key, with names next to ids', async () => {
    const { id } = (await workspace.json(['keys', 'create', '--name', 'support-bot'])) as { id: string };
    const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
    await record(ledger, 'with', Date.now(), 'settled', id);
    await record(ledger, 'without', Date.now(), 'unconfirmed');
    await ledger.close();
    expect(await workspace.json(['costs', '--by', 'key'])).toMatchObject({
      by: 'key',
      rows: [
        { key: id, name: 'support-bot', turns: 1, cost: 0.00042 },
        { key: '(none)', name: null, turns: 1, unconfirmed: 0.005 },
      ],
    });
    const { stdout } = await workspace.run(['costs', '--by', 'key']);
    expect(stdout).toMatch(/^key +name +turns/m);
    expect(stdout).toMatch(new RegExp(`^${id} +support-bot +1 `, 'm'));
  });

  it('counts only the days that were asked for', async () => {
    const nowMs = Date.now();
    await fillLedger(nowMs);
    const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
    const yesterday = await workspace.json(['costs', '--from', day(nowMs - dayMs), '--to', day(nowMs - dayMs)]);
    expect(yesterday).toMatchObject({
      from: day(nowMs - dayMs),
      total_cost_nano_usd: 420_000,
      unconfirmed_nano_usd: 0,
      rows: [{ key: day(nowMs - dayMs), cost_nano_usd: 420_000 }],
    });
    const month = day(nowMs - dayMs).slice(0, 7);
    const { stdout } = await workspace.run(['costs', '--from', month, '--by', 'provider,month']);
    expect(stdout).toContain(`${month}-01 to today (UTC days)`);
    expect(stdout).toMatch(new RegExp(`^holysheep +${month} +\\d`, 'm'));
    expect((await workspace.run(['costs', '--to', '2026-01'])).stdout).toContain('No turns in this time.');
  });

  it('prints every row as CSV, exact to the nano-dollar, and never as a formula', async () => {
    const { id } = (await workspace.json(['keys', 'create', '--name', '=cmd()'])) as { id: string };
    const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
    await record(ledger, 'a', Date.UTC(2026, 9, 31), 'settled', id, { costNanoUsd: 1 });
    await record(ledger, 'b', Date.UTC(2026, 10, 1), 'settled', id);
    await record(ledger, 'c', Date.UTC(2026, 10, 2), 'unconfirmed');
    await ledger.close();
    const { stdout } = await workspace.run(['costs', '--by', 'key,month', '--csv']);
    expect(stdout.split('\n')).toEqual([
      'key,month,name,turns,attempts,tokens,cost_usd,unconfirmed_usd,over_reservation_usd,disbelieved_calls',
      '(none),2026-11,,1,1,0,0.000000000,0.005000000,0.000000000,0',
      `${id},2026-10,'=cmd(),1,1,1000,0.000000001,0.000000000,0.000000000,0`,
      `${id},2026-11,'=cmd(),1,1,1000,0.000420000,0.000000000,0.000000000,0`,
      '',
    ]);
  });

  it('tells what the rows do not show', async () => {
    const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
    for (let index = 0; index < 52; index += 1) await record(ledger, `turn-${index}`, Date.now(), 'settled');
    await ledger.close();
    const { stdout } = await workspace.run(['costs', '--by', 'session']);
    expect(stdout).toContain(
      'These are the first 50 rows. The rest cost $0.000840 together; --limit shows more, --csv all.',
    );
    expect((await workspace.run(['costs', '--by', 'session', '--limit', '52'])).stdout).not.toContain('The rest cost');
    const all = (await workspace.json(['costs', '--by', 'session'])) as { rows: unknown[]; is_cut: boolean };
    expect([all.rows.length, all.is_cut]).toEqual([52, false]);
    expect((await workspace.run(['costs', '--by', 'session', '--csv'])).stdout.trim().split('\n')).toHaveLength(53);
  });

  it.each([
    [['--by', 'colour'], '1 to 3 different ones of day, month'],
    [['--by', 'day,day'], '1 to 3 different ones of day, month'],
    [['--by', 'day,key,arm,model'], '1 to 3 different ones of day, month'],
    [['--from', '2026-02-30'], "'2026-02-30' is not a day or month"],
    [['--to', '2026-13'], "'2026-13-31' is not a day or month"],
    [['--from', '2026-11', '--to', '2026-10'], '--to 2026-10-31 is before --from 2026-11-01'],
    [['--limit', '0'], 'from 1 to 1000000'],
    [['--csv', '--json'], 'either --csv or --json'],
  ])('refuses %j', async (options, message) => {
    const { status, stderr } = await workspace.run(['costs', ...options]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('bellwether costs reconcile', () => {
  it('tells which unconfirmed calls were charged', async () => {
    const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
    await record(ledger, 'answered', Date.now(), 'settled');
    await record(ledger, 'lost', Date.now(), 'unconfirmed');
    await record(ledger, 'gone', Date.now(), 'unconfirmed');
    await ledger.close();
    const invoice = join(workspace.directory, 'invoice.csv');
    writeFileSync(invoice, 'Request ID,Charge\nanswered.1,0.00042\nlost.1,0.002\n');
    const args = ['costs', 'reconcile', '--invoice', invoice, '--columns', 'cost=Charge'];
    const { status, stdout } = await workspace.spawn(args);
    expect(stdout).toMatch(/charged +\$0.002000 +of them, the invoice has/);
    expect(stdout).toMatch(/not charged +\$0.005000 /);
    expect(stdout).toContain(
      'The ledger explains the invoice. $0.005000 that counts as unconfirmed was never charged.',
    );
    expect(status).toBe(0);
    expect(await workspace.json(args)).toMatchObject({
      provider: 'holysheep',
      unconfirmed: 0.01,
      unexplained: 0,
      calls: { matching: { count: 1 }, charged: { count: 1, amount: 0.002 }, not_charged: { count: 1 } },
    });
  });

  it('ends with status 1 if something is not explained, and 2 if it cannot read the invoice', async () => {
    await fillLedger(Date.now());
    const invoice = join(workspace.directory, 'invoice.csv');
    const day = new Date().toISOString().slice(0, 10);
    writeFileSync(invoice, `date,model,cost\n${day},deepseek-v3.2,9\n`);
    const { status, stdout } = await workspace.run(['costs', 'reconcile', '--invoice', invoice]);
    expect(status).toBe(1);
    expect(stdout).toContain('$8.994580 is not explained by the ledger');
    writeFileSync(invoice, 'date,model\n');
    const refused = await workspace.run(['costs', 'reconcile', '--invoice', invoice]);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining(`${invoice} needs the columns`)]);
    const absent = await workspace.run(['costs', 'reconcile', '--invoice', join(workspace.directory, 'none.csv')]);
    expect([absent.status, absent.stderr]).toEqual([1, expect.stringContaining('none.csv')]);
  });
});
