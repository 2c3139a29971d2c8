import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { pagePartsOf, readPageData, type PageParts } from '../../../src/operator/page/read-page-data';
import { UnknownRolloutError } from '../../../src/operator/trail';
import { playTurn } from '../../ledger/user-rollouts';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../../support/ledgers';
import { rolloutSpec } from '../../support/rollout-spec';

const viewer = { name: 'ann', mayOperate: true };

describeOnEachDatabase('the data of the page', (databases) => {
  let opened: TestLedger;
  let parts: PageParts;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    parts = pagePartsOf({
      ledger: opened.ledger,
      operator: { workflowNow: () => Promise.resolve({ status: 'running', recordingFailure: null }) },
      policy: { arms: {}, budgets: { sessionNanoUsd: 1, dayNanoUsd: 5, maxCompletionTokens: 1 } },
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
});
