import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';

describeOnEachDatabase('what workers tell the page', (databases) => {
  let opened: TestLedger;
  let ledger: Ledger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  const target = { provider: 'holysheep', model: 'deepseek-v3.2', state: 'closed', lastSuccessAtMs: 5 } as const;

  it('is what each worker said last', async () => {
    await ledger.tallies.writeTargetStates('a', [target, { ...target, model: 'other', state: 'open' }]);
    await ledger.tallies.writeTargetStates('b', [{ ...target, state: 'half-open', lastSuccessAtMs: null }]);
    await ledger.tallies.writeTargetStates('a', [target]);
    const states = await ledger.page.targetStates();
    expect(states.toSorted((one, other) => (one.state < other.state ? -1 : 1))).toEqual([
      target,
      { ...target, state: 'half-open', lastSuccessAtMs: null },
    ]);
  });

  it('is ignored once a worker has been silent for half a minute, and then forgotten', async () => {
    const nowMs = await ledger.rollouts.nowMs();
    await ledger.tallies.writeTargetStates('dead', [{ ...target, state: 'open' }], nowMs - 40_000);
    expect(await ledger.page.targetStates()).toEqual([]);
    await ledger.tallies.writeTargetStates('alive', [target]);
    expect(await ledger.page.targetStates()).toEqual([target]);
    expect(await opened.database.query('select worker from target_states')).toEqual([{ worker: 'alive' }]);
  });

  it('is the newest verification of the audit trail', async () => {
    expect(await ledger.page.verification()).toBeNull();
    await ledger.tallies.keepVerification({ isIntact: true, message: '3 rows are intact.', position: 3 });
    await ledger.tallies.keepVerification({ isIntact: false, message: 'Row 2 was altered.', position: 1 });
    expect(await ledger.page.verification()).toEqual({
      atMs: expect.any(Number) as number,
      isIntact: false,
      message: 'Row 2 was altered.',
      position: 1,
    });
  });
});
