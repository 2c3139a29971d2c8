import type { CostDimension, Ledger } from '../../src/contract/ledger';
import type { ArmTraffic } from '../../src/contract/page-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { noonMs } from './requests';
import { admitTurn, playTurn, startRollout } from './user-rollouts';
import { runUserTurn } from './user-turns';

const rollout = 'november';
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const budgetMs = 10_000;

describeOnEachDatabase('tallies of traffic', (databases) => {
  let opened: TestLedger;
  let ledger: Ledger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
    await startRollout(ledger, rollout);
  });
  afterEach(() => opened.close());

  function tally(atMs: number): Promise<void> {
    return ledger.tallies.tallyTraffic(budgetMs, atMs);
  }

  /** What the page reads, and the same read from all turns. */
  async function expectExact(): Promise<void> {
    const traffic = await ledger.page.traffic(rollout, 72);
    const totals = await ledger.rollouts.armTotals(rollout);
    expect(traffic.map(({ arm, turns, answers }) => [arm, turns, answers])).toEqual(
      totals.map(({ arm, turns, successfulTurns }) => [arm, turns, successfulTurns]),
    );
    const failures = await ledger.rollouts.failures(rollout);
    expect(traffic.flatMap(failuresOf)).toEqual(failures);
    for (const [index, { latencyP95Ms = null } = {}] of totals.entries()) {
      const tallied = traffic[index]?.latencyP95Ms ?? null;
      expect(tallied === null).toBe(latencyP95Ms === null);
      expect(tallied ?? 0).toBeGreaterThanOrEqual(latencyP95Ms ?? 0);
      expect(tallied ?? 0).toBeLessThanOrEqual((latencyP95Ms ?? 0) * 1.04);
    }
    const spent = await ledger.rollouts.spending(rollout);
    const used = traffic.flatMap((one) => one.used);
    for (const one of spent) {
      const same = used.filter(
        ({ arm, target, model }) => arm === one.arm && target === one.target && model === one.model,
      );
      const sum = (of: (row: (typeof used)[number]) => number) => same.reduce((all, row) => all + of(row), 0);
      expect(one).toMatchObject({
        costNanoUsd: sum((row) => row.costNanoUsd),
        promptTokens: sum((row) => row.promptTokens),
      });
      expect(one).toMatchObject({ completionTokens: sum((row) => row.completionTokens) });
    }
    await expectSameCosts('arm');
    await expectSameCosts('model');
    await expectSameCosts('key');
  }

  /** All turns of these tests are of one day, by the database's clock. */
  async function expectSameCosts(dimension: CostDimension & ('arm' | 'model' | 'key')): Promise<void> {
    const { by } = await ledger.page.spendingOfToday();
    const rows = await ledger.costsBy(dimension, 50);
    expect(by[dimension]).toEqual(
      rows.map(({ key, turns, costNanoUsd, unconfirmedNanoUsd }) => ({ key, turns, costNanoUsd, unconfirmedNanoUsd })),
    );
  }

  it('are the figures of all turns, while they may change and once they are final', async () => {
    for (let number = 0; number < 120; number += 1) {
      await runUserTurn(ledger, { rollout, turnId: `turn ${number}`, number });
    }
    const nowMs = await ledger.rollouts.nowMs();
    await tally(nowMs);
    await expectExact();
    expect((await ledger.page.traffic(rollout, 72)).flatMap(({ hours }) => hours).length).toBeGreaterThan(0);
    await runUserTurn(ledger, { rollout, turnId: 'one more', number: 1 });
    await tally(nowMs + 10_000);
    await expectExact();
    await tally(nowMs + hourMs + 3 * minuteMs);
    expect(await opened.database.query('select * from traffic_slices')).toEqual([]);
    await expectExact();
    await tally(nowMs + 2 * hourMs);
    await expectExact();
  });

  it('count a turn that is admitted a few hundred at once, and none twice', async () => {
    for (let turn = 0; turn < 450; turn += 1) {
      await admitTurn(ledger, { rollout, atMs: noonMs + (turn % 3), turnId: `turn ${turn}` });
    }
    await tally(noonMs + minuteMs);
    expect(await ledger.page.traffic(rollout, 72)).toMatchObject([{ arm: 'holysheep', turns: 450, answers: 0 }]);
    await tally(noonMs + 3 * hourMs);
    expect(await ledger.page.traffic(rollout, 72)).toMatchObject([{ arm: 'holysheep', turns: 450 }]);
  });

  it('have each hour by itself, the newest last, and the whole rollout beside', async () => {
    for (let hour = 0; hour < 5; hour += 1) {
      for (let turn = 0; turn <= hour; turn += 1) {
        const over = { latencyMs: 100 * (hour + 1), firstTokenMs: 10 };
        await playTurn(
          ledger,
          { rollout, atMs: noonMs + hour * hourMs + turn, userId: `user ${turn}` },
          'answered',
          over,
        );
      }
    }
    await tally(noonMs + 4.5 * hourMs);
    const [arm] = await ledger.page.traffic(rollout, 3);
    expect(arm?.turns).toBe(15);
    expect(arm?.hours.map(({ fromMs, turns }) => [(fromMs - noonMs) / hourMs, turns])).toEqual([
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
    expect(arm?.hours.map(({ latencyP95Ms }) => Math.round((latencyP95Ms ?? 0) / 105))).toEqual([3, 4, 5]);
    expect(arm?.hours.map(({ firstTokenP95Ms }) => firstTokenP95Ms)).toEqual([10, 10, 10]);
  });

  it('catch up where a worker has stopped, and where two work at once', async () => {
    await playTurn(ledger, { rollout, atMs: noonMs, userId: 'early' });
    await playTurn(ledger, { rollout, atMs: noonMs + 20 * minuteMs, userId: 'late' });
    await Promise.all([1, 2, 3].map((second) => tally(noonMs + 30 * minuteMs + second * 5_000)));
    expect(await ledger.page.traffic(rollout, 72)).toMatchObject([{ turns: 2 }]);
    await Promise.all([1, 2, 3].map((second) => tally(noonMs + 3 * hourMs + second * 5_000)));
    expect(await ledger.page.traffic(rollout, 72)).toMatchObject([{ turns: 2 }]);
  });

  it('say from when on turns are not yet counted, as after an upgrade from a version without tallies', async () => {
    const nowMs = await ledger.rollouts.nowMs();
    const uncounted = async () => (await ledger.page.spendingOfToday()).uncountedFromMs;
    expect(await uncounted()).toBeNull();
    const firstMs = nowMs - 3 * hourMs;
    await playTurn(ledger, { rollout, atMs: firstMs, userId: 'before the upgrade' });
    await playTurn(ledger, { rollout, atMs: nowMs - 10 * minuteMs, userId: 'since' });
    await ledger.tallies.tallyTraffic(0, nowMs);
    expect(await uncounted()).toBe(firstMs);
    await tally(nowMs + 10_000);
    expect(await uncounted()).toBeNull();
    expect(await ledger.page.traffic(rollout, 72)).toMatchObject([{ turns: 2 }]);
  });

  it('have the calls of each target within the last hour', async () => {
    const nowMs = await ledger.rollouts.nowMs();
    await playTurn(ledger, { rollout, atMs: nowMs - 3 * hourMs });
    await playTurn(ledger, { rollout, atMs: nowMs - minuteMs }, 'answered', { latencyMs: 50 });
    await playTurn(ledger, { rollout, atMs: nowMs - minuteMs }, 'timeout', { latencyMs: 60 });
    await tally(nowMs);
    const [target, ...others] = await ledger.page.recentTargets();
    expect(others).toEqual([]);
    expect(target).toMatchObject({ latencyP50Ms: 50, latencyP95Ms: 60 });
    expect([...(target?.calls ?? [])]).toEqual(
      expect.arrayContaining([
        ['answered', 1],
        ['timeout', 1],
      ]),
    );
  });
});

function failuresOf({ arm, calls }: ArmTraffic) {
  return [...calls]
    .filter(([outcome]) => outcome !== 'answered')
    .map(([outcome, count]) => ({ arm, outcome, calls: count }))
    .toSorted((one, other) => other.calls - one.calls || (one.outcome < other.outcome ? -1 : 1));
}
