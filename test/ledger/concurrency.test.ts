import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, openTestLedger, type TestDatabase, type TestLedger } from '../support/ledgers';
import { eventually } from '../support/eventually';
import { startTypescript } from '../support/typescript-program';
import type { RunTurns } from './programs/run-turns';
import { admitRequest, newKey, settled, turnRecord, wideCaps } from './requests';

/** Reads a budget repeatedly while something runs; returns the highest spent + reserved that it saw. */
async function highestWhile(
  database: TestDatabase,
  running: Promise<unknown>,
  scope = 'day:2026-11-23',
): Promise<number> {
  const ended = new AbortController();
  // Its failure is reported where it is awaited.
  const end = (): void => ended.abort();
  void running.then(end, end);
  let highest = 0;
  for (;;) {
    const isLastLook = ended.signal.aborted;
    const [row] = await database.query<{ total: string }>(
      `select spent_nano_usd + reserved_nano_usd as total from budgets where scope = '${scope}'`,
    );
    highest = Math.max(highest, Number(row?.total ?? 0));
    if (isLastLook) return highest;
    await sleep(1);
  }
}

describeOnEachDatabase('many concurrent callers', (databases) => {
  let opened: TestLedger;
  let ledgers: readonly Ledger[];
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ledgers = [opened.ledger, await openLedger(opened.database.location), await openLedger(opened.database.location)];
  });
  afterEach(async () => {
    await Promise.all(ledgers.slice(1).map((ledger) => ledger.close()));
    await opened.close();
  });

  test('admit exactly as many turns as the cap pays for', async () => {
    const caps = { ...wideCaps, dayNanoUsd: 50 * 400 + 399 };
    const admissions = Promise.all(
      Array.from({ length: 150 }, (_, index) =>
        ledgers[index % 3]!.admit(admitRequest(`turn-${index}`, 400, { caps, sessionId: `session-${index % 7}` })),
      ),
    );
    const highest = await highestWhile(opened.database, admissions);
    expect((await admissions).filter(({ kind }) => kind === 'admitted')).toHaveLength(50);
    expect(highest).toBeGreaterThan(0);
    expect(highest).toBeLessThanOrEqual(caps.dayNanoUsd);
    expect(await opened.ledger.costTotals()).toMatchObject({ attempts: 50, reservedNanoUsd: 20_000 });
  });

  test.each([
    ['total', 'key:key', { totalNanoUsd: 50 * 400 + 399 }],
    ['day', 'key:key/day:2026-11-23', { dayNanoUsd: 50 * 400 + 399 }],
  ])('admit exactly as many turns as the %s cap of their API key pays for', async (_title, scope, caps) => {
    await opened.ledger.keys.create(newKey('key', caps));
    // Sessions and days are shared with turns of another key and turns without one, so that they compete for locks.
    const keyIds = ['key', 'key', 'key', 'unknown', null];
    const turns = Array.from({ length: 150 }, (_, index) => ({
      keyId: keyIds[index % keyIds.length]!,
      sessionId: `session-${index % 7}`,
      turnId: `turn-${index}`,
    }));
    const running = Promise.all(
      turns.map(async ({ turnId, ...over }, index) => {
        const admission = await ledgers[index % 3]!.admit(admitRequest(turnId, 400, over));
        if (admission.kind === 'refused') return `${over.keyId} refused by ${admission.scope}`;
        // Half of them end at once, at the full price, so that endings and reservations compete.
        if (index % 2 === 0) await ledgers[(index + 1) % 3]!.recordTurn(turnRecord(turnId, [settled(1, 400)]));
        return `${over.keyId} admitted`;
      }),
    );
    const highest = await highestWhile(opened.database, running, scope);
    const ends = await running;
    const count = (end: string) => ends.filter((one) => one === end).length;
    expect([count('key admitted'), count('key refused by key')]).toEqual([50, 40]);
    expect([count('unknown admitted'), count('null admitted')]).toEqual([30, 30]);
    expect(highest).toBeGreaterThan(0);
    expect(highest).toBeLessThanOrEqual(50 * 400 + 399);
    const [row] = await opened.database.query<{ total: string }>(
      `select spent_nano_usd + reserved_nano_usd as total from budgets where scope = '${scope}'`,
    );
    expect(Number(row?.total)).toBe(50 * 400);
  });

  test('of one turn get numbers 1 to n, with one attempt left open', async () => {
    const requests = Array.from({ length: 30 }, () => admitRequest('turn', 400));
    // Each request is sent twice, as after a lost answer.
    const admissions = await Promise.all(
      [...requests, ...requests].map((request, index) => ledgers[index % 3]!.admit(request)),
    );
    const numbers = admissions.map((admission) => (admission.kind === 'admitted' ? admission.attempt : 0));
    expect(numbers.slice(30)).toEqual(numbers.slice(0, 30));
    expect(numbers.slice(0, 30).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    const states = (await opened.ledger.attempts('turn')).map((row) => row.state);
    expect(states.filter((state) => state === 'reserved')).toHaveLength(1);
    expect(states.at(-1)).toBe('reserved');
  });

  test('record one turn any number of times: its money moves once', async () => {
    await opened.ledger.admit(admitRequest('turn', 400));
    const record = turnRecord('turn', [settled(1, 120)]);
    const totals = await Promise.all(Array.from({ length: 30 }, (_, index) => ledgers[index % 3]!.recordTurn(record)));
    expect(new Set(totals.map((total) => JSON.stringify(total))).size).toBe(1);
    expect(await opened.ledger.costTotals()).toMatchObject({ costNanoUsd: 120, reservedNanoUsd: 0 });
  });

  test('in several processes never exceed the cap, and release what they did not spend', async () => {
    const dayCapNanoUsd = 75_000;
    const run = { turns: 100, callers: 8, worstCaseNanoUsd: 900, costNanoUsd: 500, dayCapNanoUsd };
    const programs = ['a', 'b', 'c'].map((name) => {
      const input: RunTurns = { ...run, name, location: opened.database.location };
      return startTypescript('ledger/programs/run-turns.ts', JSON.stringify(input));
    });
    const ended = Promise.all(programs.map((program) => program.ended));
    const highest = await highestWhile(opened.database, ended);
    expect(programs.map((program) => program.output.stderr)).toEqual(['', '', '']);
    expect(await ended).toEqual([0, 0, 0]);
    const lines = programs.flatMap((program) => program.output.stdout.trim().split('\n'));
    const count = (kind: string) => lines.filter((line) => line.startsWith(`${kind} `)).length;
    expect(count('admitted') + count('refused')).toBe(300);
    expect(count('recorded')).toBe(count('admitted'));
    expect(highest).toBeGreaterThan(0);
    expect(highest).toBeLessThanOrEqual(dayCapNanoUsd);
    const totals = await opened.ledger.costTotals();
    expect(totals).toMatchObject({
      attempts: count('admitted'),
      costNanoUsd: count('admitted') * 500,
      reservedNanoUsd: 0,
    });
    // A refusal means that less than one worst case was left while other callers held reservations: what they released
    // later is still available, and nothing else.
    expect(count('refused')).toBeGreaterThan(0);
    const othersMostNanoUsd = (3 * run.callers - 1) * (run.worstCaseNanoUsd - run.costNanoUsd);
    expect(totals.costNanoUsd).toBeGreaterThan(dayCapNanoUsd - run.worstCaseNanoUsd - othersMostNanoUsd);
    const canStillAdmit = Math.floor((dayCapNanoUsd - totals.costNanoUsd) / run.worstCaseNanoUsd);
    const caps = { sessionNanoUsd: dayCapNanoUsd, dayNanoUsd: dayCapNanoUsd };
    for (let turn = 1; turn <= canStillAdmit + 1; turn += 1) {
      const admission = await opened.ledger.admit(admitRequest(`after-${turn}`, run.worstCaseNanoUsd, { caps }));
      expect(admission.kind).toBe(turn <= canStillAdmit ? 'admitted' : 'refused');
    }
  });

  test('in a process that is killed lose nothing that was acknowledged', async () => {
    const input: RunTurns = {
      location: opened.database.location,
      name: 'killed',
      turns: 100_000,
      callers: 8,
      worstCaseNanoUsd: 900,
      costNanoUsd: 500,
      dayCapNanoUsd: wideCaps.dayNanoUsd,
    };
    const program = startTypescript('ledger/programs/run-turns.ts', JSON.stringify(input));
    await program.firstLine;
    await eventually('it has run some turns', () => program.output.stdout.split('\n').length > 100);
    program.process.kill('SIGKILL');
    await program.ended;
    const states = new Map((await opened.ledger.attempts()).map((row) => [row.turnId, row.state]));
    const acknowledged = program.output.stdout.split('\n').slice(0, -1);
    expect(acknowledged.length).toBeGreaterThan(99);
    for (const line of acknowledged) {
      const [kind, turnId = ''] = line.split(' ');
      expect(['settled', ...(kind === 'admitted' ? ['reserved'] : [])]).toContain(states.get(turnId));
    }
  });
});

test('waiting for another process’s SQLite write lock does not block this process', async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-ledger-'));
  const ledger = await openLedger({ dataDirectory });
  const holder = openSqliteFile(join(dataDirectory, 'ledger.db'));
  holder.exec('begin immediate');
  let isAdmitted = false;
  const admission = ledger.admit(admitRequest('turn', 400)).finally(() => (isAdmitted = true));
  for (let turnsOfTheEventLoop = 0; turnsOfTheEventLoop < 50; turnsOfTheEventLoop += 1) await sleep(1);
  expect(isAdmitted).toBe(false);
  holder.exec('commit');
  expect(await admission).toMatchObject({ kind: 'admitted', attempt: 1 });
  holder.close();
  await ledger.close();
  rmSync(dataDirectory, { recursive: true });
});
