import type { ArmPage } from '../../../src/contract/page';
import type { Policy, Target } from '../../../src/contract/policy';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { readCosts } from '../../../src/operator/costs';
import { readReport } from '../../../src/operator/migration-report';
import { pagePartsOf, readPageData, type PageParts } from '../../../src/operator/page/read-page-data';
import { statusAsJson } from '../../../src/operator/status-json';
import { findRollout, UnknownRolloutError } from '../../../src/operator/trail';
import { readView } from '../../../src/operator/view';
import { playTurn } from '../../ledger/user-rollouts';
import { runUserTurn } from '../../ledger/user-turns';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../../support/ledgers';
import { rolloutSpec } from '../../support/rollout-spec';

const price = {
  inputNanoUsdPerMillion: 2_000_000_000,
  outputNanoUsdPerMillion: 8_000_000_000,
  cachedInputNanoUsdPerMillion: 500_000_000,
  cjkMultiplierPercent: 100,
};
const legacy = { name: 'legacy', targets: [{ name: 'legacy-primary', model: 'gpt-4.1', price } as Target] };
const viewer = { name: 'ann', mayOperate: true };

describeOnEachDatabase('the data of the page', (databases) => {
  let opened: TestLedger;
  let parts: PageParts;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    parts = pagePartsOf({
      ledger: opened.ledger,
      operator: { workflowNow: () => Promise.resolve({ status: 'running', recordingFailure: null }) },
      policy: { arms: { legacy }, budgets: { sessionNanoUsd: 1, dayNanoUsd: 5, maxCompletionTokens: 1 } },
      service: { version: '1.0.0', isSimulated: true, temporalUiUrl: null, namespace: 'default' },
    });
  });
  afterEach(() => opened.close());

  async function start(): Promise<string> {
    const spec = rolloutSpec({ rule: 2 });
    const occasion = { atMs: await opened.ledger.rollouts.nowMs(), evidence: null, command: null };
    const decision = advanceRollout(spec, null, occasion);
    await opened.ledger.rollouts.record({ spec, ...occasion, decision }, spec.baselineArm);
    return spec.name;
  }

  it('says that there is no rollout yet, and refuses one that is not known', async () => {
    expect(await readPageData(parts, { viewer })).toMatchObject({ viewer, rollout: null, rollouts: [] });
    await expect(readPageData(parts, { viewer, rollout: 'never' })).rejects.toThrow(UnknownRolloutError);
  });

  it('has the newest rollout, or the one that is asked for', async () => {
    const name = await start();
    const atMs = await opened.ledger.rollouts.nowMs();
    await playTurn(opened.ledger, { rollout: name, atMs });
    await opened.ledger.rollouts.countUsers();
    const data = await readPageData(parts, { viewer });
    expect(data.rollouts).toMatchObject([{ name, phase: 'Progressing', percent: 10 }]);
    expect(data.rollout).toMatchObject({
      name,
      now: {
        phase: 'Progressing',
        setPercent: 10,
        actualShare: 1,
        unavailable: { resume: expect.any(String) as string },
      },
      evidence: { unit: 'users', marks: [{ action: 'start', actor: 'test' }] },
      arms: { canary: { users: 1 }, baseline: { users: 0 } },
      audit: { rows: [{ position: 1, actor: 'test', action: 'start' }], head: { position: 1 } },
    });
    expect(data.money).toMatchObject({ dayCapNanoUsd: 5, reservedNanoUsd: 0 });
    expect(await readPageData(parts, { viewer, rollout: name })).toMatchObject({ rollout: { name } });
  });

  it('has the figures of the command line', async () => {
    const { ledger } = opened;
    const name = await start();
    for (let number = 0; number < 90; number += 1) {
      await runUserTurn(ledger, { rollout: name, turnId: `turn ${number}`, number });
    }
    await ledger.rollouts.countUsers();
    await ledger.tallies.tallyTraffic(60_000);
    const { rollout, money } = await readPageData(parts, { viewer });
    const known = await findRollout(ledger.rollouts, name);
    const view = await readView(ledger.rollouts, known, { status: 'running', recordingFailure: null });
    const report = await readReport(ledger.rollouts, name, parts.policy as Policy);
    const costs = await readCosts(ledger, parts.policy.budgets.dayNanoUsd, { by: ['arm'], period: {}, maxRows: 50 });

    const e = rollout?.evidence?.measures.find(({ id }) => id === 'advance');
    const armFigures = (arm: ArmPage | undefined) => ({
      users: arm?.users,
      success_rate: arm?.success?.rate ?? null,
      troubled_rate: arm?.troubled?.rate ?? null,
      declined_rate: arm?.declined?.rate ?? null,
      satisfaction: arm?.satisfaction?.rate ?? null,
    });
    expect(statusAsJson(view)).toMatchObject({
      phase: rollout?.now.phase,
      message: rollout?.now.message,
      percent: rollout?.now.setPercent,
      actual_share: rollout?.now.actualShare,
      next_analysis_at: new Date(rollout?.now.nextAnalysisAtMs ?? 0).toISOString(),
      evidence: {
        e: e?.value,
        e_needed: e?.needed,
        clean_users_to_go: rollout?.evidence?.toGo,
        legacy: armFigures(rollout?.arms.baseline),
        holysheep: armFigures(rollout?.arms.canary),
      },
    });
    expect(rollout?.arms.canary.users).toBeGreaterThan(0);

    for (const [arm, totals] of [
      [rollout?.arms.baseline, report.baseline],
      [rollout?.arms.canary, report.canary],
    ] as const) {
      expect(arm).toMatchObject({ name: totals.arm, turns: totals.turns });
      expect(arm?.failures).toEqual(
        report.failures.filter((row) => row.arm === totals.arm).map(({ outcome, calls }) => ({ outcome, calls })),
      );
    }
    expect(money.saved).toEqual({
      withNanoUsd: report.saving?.paidNanoUsd,
      withoutNanoUsd: report.saving?.baselineNanoUsd,
    });

    const { totals, monthlyNanoUsd } = costs.summary;
    expect(money).toMatchObject({
      day: totals.today,
      todayNanoUsd: totals.costNanoUsd + totals.unconfirmedNanoUsd,
      reservedNanoUsd: totals.reservedNanoUsd,
      monthlyNanoUsd,
    });
    expect(money.byArm).toEqual(
      costs.rows.map(({ key, turns, costNanoUsd, unconfirmedNanoUsd }) => ({
        name: key,
        turns,
        costNanoUsd,
        unconfirmedNanoUsd,
      })),
    );
  });
});
