/** What machines are told of a rollout must be what operators see. */
import { RolloutMetrics } from '../../src/services/rollout-metrics';
import { type ServiceSignals, readSignals } from '../../src/operator/rollout-signals';
import { operatorOn, type RolloutOperator } from '../../src/operator/rollout-operator';
import { eventually } from '../support/eventually';
import { samplesIn, sumIn } from '../support/metrics-text';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { unhurriedRolloutSpec } from '../support/rollout-spec';

describe('the metrics of a rollout', () => {
  let service: RolloutService;
  let operator: RolloutOperator;
  const read = (): Promise<ServiceSignals> =>
    readSignals({ ledger: service.ledger, operator, dayCapNanoUsd: service.settings.policy.budgets.dayNanoUsd });
  /** A reading that nobody has kept. */
  const text = () => new RolloutMetrics(read, (error) => fail(error)).text();
  const fail = (error: unknown): never => {
    throw error;
  };

  beforeAll(async () => {
    service = await prepareRolloutService();
    await service.startWorker();
    operator = operatorOn({ rollouts: service.ledger.rollouts, close: async () => undefined }, service.settings);
  });
  afterAll(async () => {
    await operator.close();
    await service.stop();
  });

  test('before the first one there are none but that of the budget', async () => {
    const names = samplesIn(await text()).map(({ name }) => name);
    expect(names).toEqual(['bellwether_budget_used_ratio']);
  });

  test('follow it from its start to a rollback', async () => {
    const spec = unhurriedRolloutSpec();
    await service.rollouts.start(spec);
    await service.sendTurns(12);
    const started = await text();
    expect(samplesIn(started).find(({ name }) => name === 'bellwether_rollout_info')?.labels).toEqual({
      rollout: spec.name,
      phase: 'Progressing',
    });
    expect(sumIn(started, 'bellwether_rollout_percent', { kind: 'set' })).toBe(50);
    const traffic = await service.ledger.rollouts.traffic(0);
    const turnsOf = (arm: string) => traffic.find((one) => one.arm === arm)?.turns ?? 0;
    expect(sumIn(started, 'bellwether_rollout_percent', { kind: 'actual' })).toBeCloseTo(
      (turnsOf('holysheep') / 12) * 100,
    );
    expect(sumIn(started, 'bellwether_rollout_workflow_up')).toBe(1);
    expect(sumIn(started, 'bellwether_rollout_overdue')).toBe(0);
    expect(sumIn(started, 'bellwether_rollout_held_seconds')).toBe(0);
    expect(sumIn(started, 'bellwether_rollout_data_age_seconds')).toBeLessThan(120);
    const explained = await operator.view(undefined);
    const labels = { measure: 'advance', language: 'all' };
    expect(sumIn(started, 'bellwether_rollout_evidence_needed', labels)).toBeCloseTo(
      Math.log(1 / explained.spec.gates.alpha),
    );
    const { spentNanoUsd } = await service.ledger.page.spendingOfToday();
    const cap = service.settings.policy.budgets.dayNanoUsd;
    expect(sumIn(started, 'bellwether_budget_used_ratio', { scope: 'day' })).toBeCloseTo(spentNanoUsd / cap, 12);

    await operator.command(undefined, 'rollback', { actor: 'test', reason: 'The test is over.' });
    await eventually('it is told', async () => {
      const found = samplesIn(await text()).find(({ name }) => name === 'bellwether_rollout_info');
      return found?.labels['phase'] === 'RolledBack';
    });
    const ended = await text();
    expect(sumIn(ended, 'bellwether_rollout_percent', { kind: 'set' })).toBe(0);
    const last = samplesIn(ended).find(({ name }) => name === 'bellwether_rollout_last_decision_timestamp_seconds');
    expect(last?.labels).toEqual({ action: 'roll-back' });
    for (const name of ['evidence', 'evidence_needed', 'workflow_up', 'data_age_seconds']) {
      expect([name, sumIn(ended, `bellwether_rollout_${name}`)]).toEqual([name, undefined]);
    }
  });
});

describe('a reading', () => {
  const signals: ServiceSignals = { rollout: null, dayBudgetUsed: 0.25, verified: { isIntact: false, ageMs: 5_000 } };

  test('serves all who ask within ten seconds', async () => {
    let readings = 0;
    const metrics = new RolloutMetrics(
      async () => {
        readings += 1;
        return signals;
      },
      () => undefined,
    );
    const texts = await Promise.all([metrics.text(), metrics.text()]);
    expect(await metrics.text()).toBe(texts[0]);
    expect(readings).toBe(1);
    expect(sumIn(texts[1], 'bellwether_audit_verified')).toBe(0);
    expect(sumIn(texts[1], 'bellwether_audit_verified_age_seconds')).toBe(5);
  });

  test('that fails is reported, and leaves no old figures', async () => {
    const errors: unknown[] = [];
    const lost = new Error('The ledger is away.');
    const answers: (() => Promise<ServiceSignals>)[] = [() => Promise.reject(lost), () => Promise.resolve(signals)];
    const metrics = new RolloutMetrics(
      () => (answers.shift() ?? (() => Promise.reject(lost)))(),
      (error) => errors.push(error),
    );
    expect(samplesIn(await metrics.text())).toEqual([]);
    expect(errors).toEqual([lost]);
    // Tried again at once, because there is nothing to keep.
    expect(sumIn(await metrics.text(), 'bellwether_budget_used_ratio')).toBe(0.25);
  });
});

test.each([
  [['hold'], 300],
  [['refuse', 'hold', 'exclude', 'hold', 'resume', 'hold'], 100],
  [[], 900],
])('a rollout is held since the first of the decisions that hold it: %j', async (actions, sinceMs) => {
  const { heldSinceMs } = await import('../../src/operator/rollout-signals');
  const rows = actions.map((action, index) => ({
    position: 0,
    sequence: 0,
    atMs: (actions.length === 1 ? 300 : 400) - index * 100,
    actor: '',
    action,
    reason: '',
  }));
  expect(await heldSinceMs({ newestDecisions: async () => rows }, 'november', 900)).toBe(sinceMs);
});
