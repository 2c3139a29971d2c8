import { createRolloutActivities } from '../../src/activities/rollout-activities';
import { loadSettings } from '../../src/config/load-settings';
import { failureTypes } from '../../src/contract/failures';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';

describeOnEachDatabase('the activities of a rollout', (databases) => {
  const policy = { ...loadSettings({ environment: {} }).policy, defaultArm };
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
  });
  afterEach(() => opened.close());

  const activities = (arms = policy.arms) =>
    createRolloutActivities({ ledger: opened.ledger, policy: { ...policy, arms } });

  test('record what happens, and observe it at the time of the database, whatever the worker’s clock says', async () => {
    expect(await activities().recordRollout(entry(1))).toMatchObject({ kind: 'recorded' });
    const beforeMs = Date.now();
    const slowClock = jest.spyOn(Date, 'now').mockReturnValue(beforeMs - 16 * 60_000);
    const evidence = await activities().observeRollout({
      rollout: 'november',
      bake: 1,
      baselineArm: 'legacy',
      canaryArm: 'holysheep',
      maxRequestsPerUser: 20,
      maxLatencyPercent: null,
    });
    slowClock.mockRestore();
    expect(evidence).toMatchObject({ bake: 1, canary: { turns: 0 } });
    expect(evidence.atMs).toBeGreaterThanOrEqual(beforeMs);
    expect(evidence.atMs).toBeLessThanOrEqual(Date.now());
  });

  test.each(['baselineArm', 'canaryArm'])('refuse a rollout whose %s is not configured', async (field) => {
    for (const arm of ['nowhere', 'constructor']) {
      expect(await activities().recordRollout(entry(1, { spec: { [field]: arm } }))).toEqual({
        kind: 'refused',
        field,
        problem: expect.stringContaining(
          `no arm named "${arm}" is configured on this worker; it has: holysheep, legacy`,
        ),
        refusal: expect.objectContaining({ path: [field], code: 'unknown-reference' }),
      });
    }
    expect(await opened.ledger.rollouts.split()).toBeNull();
  });

  test('say which variable is missing when the legacy arm has no address', async () => {
    const { legacy: _left, ...others } = policy.arms;
    expect(await activities(others).recordRollout(entry(1))).toMatchObject({
      field: 'baselineArm',
      problem: expect.stringContaining('LEGACY_BASE_URL'),
    });
  });

  test('go on with a rollout whose arm is gone, so that it can be rolled back', async () => {
    await activities().recordRollout(entry(1));
    const { legacy: _left, ...others } = policy.arms;
    expect(await activities(others).recordRollout(entry(2, { percent: 0 }))).toMatchObject({ kind: 'recorded' });
  });

  test('begin once, though the worker that began it died and the one that tries again lacks an arm', async () => {
    await activities().recordRollout(entry(1));
    const { legacy: _left, ...others } = policy.arms;
    expect(await activities(others).recordRollout(entry(1))).toMatchObject({ kind: 'recorded' });
  });

  test('pass on why the ledger refuses', async () => {
    await activities().recordRollout(entry(1));
    const second = entry(1, { spec: { name: 'december' } });
    expect(await activities().recordRollout(second)).toMatchObject({ kind: 'refused', field: 'takeOver' });
  });

  test('end a rollout for good that another one has overtaken', async () => {
    await activities().recordRollout(entry(1));
    await activities().recordRollout(entry(1, { spec: { name: 'december', takeOver: true } }));
    await expect(activities().recordRollout(entry(2))).rejects.toMatchObject({
      type: failureTypes.rolloutRefused,
      nonRetryable: true,
    });
  });

  test('leave it to Temporal to try again when an earlier row is missing', async () => {
    await expect(activities().recordRollout(entry(2))).rejects.not.toMatchObject({ nonRetryable: true });
  });
});
