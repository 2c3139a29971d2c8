import type { RolloutClient } from '../../src/client/rollout-client';
import type { Ledger } from '../../src/contract/ledger';
import { loadSettings } from '../../src/config/load-settings';
import type { RolloutWorkflow } from '../../src/client/rollout-workflow';
import { formatUsd } from '../../src/domain/turn/prices';
import { Watcher, type WatcherOptions } from '../../src/notify/watcher';
import { admitRequest, settled } from '../ledger/requests';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { eventually } from '../support/eventually';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';

const { policy } = loadSettings({ environment: {}, workingDirectory: __dirname });
const { dayNanoUsd } = policy.budgets;

describeOnEachDatabase('a watcher', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  const watchers: Watcher[] = [];
  let rounds = 0;

  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
    await ledger.notifications.register(['ops']);
  });
  afterEach(async () => {
    await Promise.all(watchers.splice(0).map((watcher) => watcher.stop()));
    await opened.close();
  });

  function watch(over: Partial<WatcherOptions> = {}): Watcher {
    const watcher = new Watcher({
      ledger,
      rolloutClient: clientThatSays({ status: 'running', recordingFailure: null }),
      policyNow: () => policy,
      circuits: () => [],
      onError: (error) => {
        throw error;
      },
      watchMs: 5,
      stallMs: 5,
      ...over,
    });
    watchers.push(watcher);
    return watcher;
  }

  const clientThatSays = (workflow: RolloutWorkflow) =>
    ({ workflow: () => ((rounds += 1), Promise.resolve(workflow)) }) as unknown as RolloutClient;

  async function someRounds(): Promise<void> {
    const before = rounds;
    await eventually('some rounds', () => rounds > before + 5);
  }

  /** What was added so far; each is shown once. */
  async function told(): Promise<readonly string[]> {
    await ledger.notifications.queue('ops', () => true);
    const titles: string[] = [];
    for (;;) {
      const delivery = await ledger.notifications.claim('ops', 0);
      if (delivery === null) return titles;
      titles.push(delivery.notification.title);
      await ledger.notifications.record(delivery, { kind: 'delivered' });
    }
  }

  async function toldEventually(title: string): Promise<void> {
    let found: readonly string[] = [];
    await eventually(title, async () => (found = await told()).length > 0);
    expect(found).toEqual([title]);
  }

  test('tells of a circuit once in ten minutes, however many workers see it and however often', async () => {
    const target = policy.arms['holysheep']?.targets[0];
    if (target === undefined) throw new Error('There is no target.');
    const { provider, model } = target;
    let state: 'closed' | 'open' | 'half-open' = 'open';
    const circuits = () => ((rounds += 1), [{ provider, model, state }]);
    watch({ circuits });
    watch({ circuits });
    await toldEventually(`${provider} does not answer calls of ${model}`);
    for (const next of ['half-open', 'open', 'closed', 'open'] as const) {
      state = next;
      await someRounds();
    }
    // Closed and open again within 10 minutes.
    expect(await told()).toEqual([]);
  });

  test('tells of a circuit that opens again too soon once that time is over, if it is still open, and then no more', async () => {
    let state: 'closed' | 'open' = 'open';
    const circuits = () => ((rounds += 1), [{ provider: 'relay', model: 'chat', state }]);
    const title = 'relay does not answer calls of chat';
    watch({ circuits, circuitNotAgainMs: 2_000 });
    await toldEventually(title);
    state = 'closed';
    await someRounds();
    state = 'open';
    await toldEventually(title);
    await someRounds();
    expect(await told()).toEqual([]);
  });

  test('tells of a circuit that stays open at most twice, although two workers see it', async () => {
    const circuits = () => ((rounds += 1), [{ provider: 'relay', model: 'chat', state: 'open' as const }]);
    watch({ circuits, circuitNotAgainMs: 20 });
    watch({ circuits, circuitNotAgainMs: 20 });
    const before = rounds;
    await eventually('it could have been told more often', () => rounds > before + 100);
    const times = (await told()).length;
    expect(times).toBeGreaterThanOrEqual(1);
    expect(times).toBeLessThanOrEqual(2);
  });

  const spend = async (nanoUsd: number, sessionId: string) => {
    const caps = { sessionNanoUsd: dayNanoUsd, dayNanoUsd };
    const admitted = await ledger.admit({ ...admitRequest(sessionId, nanoUsd), sessionId, caps, atMs: Date.now() });
    if (admitted.kind !== 'admitted') throw new Error(`The turn is ${admitted.kind}.`);
    await ledger.settleAttempt(sessionId, settled(admitted.attempt, nanoUsd));
  };

  const refusedTitle = "A turn was refused: it could have cost more than is left of the day's budget";

  test('tells how far the day’s budget is used, once for each level', async () => {
    watch();
    watch();
    await spend(Math.floor(dayNanoUsd * 0.3), 'one');
    await spend(Math.floor(dayNanoUsd * 0.25), 'two');
    await toldEventually("50% of the day's budget is used");
    await spend(Math.floor(dayNanoUsd * 0.3), 'three');
    await toldEventually("80% of the day's budget is used");
    await spend(Math.floor(dayNanoUsd * 0.11), 'four');
    await toldEventually("95% of the day's budget is used");
  });

  test('goes by the budget of a changed configuration', async () => {
    let now = { ...policy, budgets: { ...policy.budgets, dayNanoUsd: 4 * dayNanoUsd } };
    watch({ policyNow: () => ((rounds += 1), now) });
    await spend(Math.floor(dayNanoUsd * 0.9), 'one');
    await someRounds();
    expect(await told()).toEqual([]);
    now = policy;
    await toldEventually("80% of the day's budget is used");
  });

  test('tells of a turn that the day’s budget refused once for each level, and of the levels nevertheless', async () => {
    const watcher = watch();
    const other = watch();
    await spend(Math.floor(dayNanoUsd * 0.1), 'one');
    watcher.dayBudgetRefused();
    other.dayBudgetRefused();
    await toldEventually(refusedTitle);
    await spend(Math.floor(dayNanoUsd * 0.45), 'two');
    await toldEventually("50% of the day's budget is used");
    await spend(Math.floor(dayNanoUsd * 0.3), 'three');
    await toldEventually("80% of the day's budget is used");
    await spend(Math.floor(dayNanoUsd * 0.11), 'four');
    await toldEventually("95% of the day's budget is used");
    other.dayBudgetRefused();
    await toldEventually(refusedTitle);
  });

  test('says what is spent and reserved when a turn was refused, and not that the budget is used up', async () => {
    const caps = { sessionNanoUsd: dayNanoUsd, dayNanoUsd };
    await spend(Math.floor(dayNanoUsd * 0.1), 'one');
    const inFlight = Math.floor(dayNanoUsd * 0.2);
    await ledger.admit({ ...admitRequest('two', inFlight), sessionId: 'two', caps, atMs: Date.now() });
    watch().dayBudgetRefused();
    await eventually('it is told', async () => (await ledger.notifications.queue('ops', () => true)) > 0);
    const delivery = await ledger.notifications.claim('ops', 60_000);
    const [spent, reserved, cap] = [dayNanoUsd * 0.1, inFlight, dayNanoUsd].map((amount) => formatUsd(amount, 2));
    expect(delivery?.notification).toMatchObject({
      event: 'budget',
      title: refusedTitle,
      text: expect.stringContaining(`have cost ${spent} of ${cap}, and ${reserved} is reserved`),
      facts: { level: 0, cause: 'refused', reservedNanoUsd: inFlight },
    });
  });

  test('that starts when the budget is nearly used tells the highest level alone', async () => {
    await spend(Math.floor(dayNanoUsd * 0.9), 'one');
    watch();
    await toldEventually("80% of the day's budget is used");
    expect(await told()).toEqual([]);
  });

  const longAgoMs = () => Date.now() - 10 * 60 * 60 * 1000;

  test.each([
    ['is not known to Temporal', { status: 'unknown', recordingFailure: null }],
    ['was terminated or has failed', { status: 'failed', recordingFailure: null }],
    ['lost rows', { status: 'running', recordingFailure: { message: 'lost rows', isLedgerBehind: true } }],
  ] as const)('tells once that nobody looks after a rollout (%s)', async (reason, workflow) => {
    await ledger.rollouts.record(entry(1, { atMs: Date.now() }), defaultArm);
    watch({ rolloutClient: clientThatSays(workflow) });
    watch({ rolloutClient: clientThatSays(workflow) });
    await eventually('it is told', async () => (await ledger.notifications.queue('ops', () => true)) > 0);
    const delivery = await ledger.notifications.claim('ops', 60_000);
    expect(delivery?.notification).toMatchObject({
      event: 'stalled',
      rollout: 'november',
      text: expect.stringContaining(reason),
    });
    await someRounds();
    expect(await ledger.notifications.queue('ops', () => true)).toBe(0);
  });

  test('tells that an analysis is overdue', async () => {
    await ledger.rollouts.record(entry(1, { atMs: longAgoMs() }), defaultArm);
    watch();
    await toldEventually('Rollout november decides nothing at the moment');
  });

  test('says nothing of a rollout that is looked after or has ended, nor before it has looked twice', async () => {
    await ledger.rollouts.record(entry(1, { atMs: Date.now() }), defaultArm);
    watch();
    await someRounds();
    let asked = 0;
    const once = () => Promise.resolve({ status: ++asked === 1 ? 'unknown' : 'running', recordingFailure: null });
    watch({ rolloutClient: { workflow: once } as unknown as RolloutClient });
    await eventually('it has looked again', () => asked > 5);
    expect(await told()).toEqual([]);
  });

  test('tells that the audit trail does not add up, once a day for the same place', async () => {
    const keep = (isIntact: boolean, position: number) =>
      ledger.tallies.keepVerification({
        isIntact,
        position,
        message: isIntact ? 'All is well.' : 'Row 3 was changed.',
      });
    await keep(true, 2);
    await ledger.rollouts.record(entry(1, { atMs: Date.now() }), defaultArm);
    watch();
    await someRounds();
    expect(await told()).toEqual([]);
    await keep(false, 2);
    watch();
    await toldEventually('The audit trail does not add up');
    await keep(false, 2);
    await someRounds();
    expect(await told()).toEqual([]);
  });
});
