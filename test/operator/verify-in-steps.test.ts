import type { Ledger } from '../../src/contract/ledger';
import type { RolloutCommandName, RolloutState } from '../../src/contract/rollout';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { verifyInSteps } from '../../src/operator/verify-in-steps';
import { HourlyVerification } from '../../src/services/hourly-verification';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { rolloutSpec } from '../support/rollout-spec';

const commands: readonly (RolloutCommandName | null)[] = [
  null,
  ...Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? ('pause' as const) : ('resume' as const))),
  'rollback',
];

describeOnEachDatabase('the verification of the audit trail in steps', (databases) => {
  let opened: TestLedger;
  let ledger: Ledger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
    await record('october');
    await record('november');
  });
  afterEach(() => opened.close());

  async function record(name: string): Promise<void> {
    const spec = rolloutSpec({ name });
    let state: RolloutState | null = null;
    for (const [at, command] of commands.entries()) {
      const occasion = {
        atMs: 1_000 * at,
        evidence: null,
        command: command === null ? null : { name: command, actor: 'ann', reason: 'Müller sagt: 停' },
      };
      const decision = advanceRollout(spec, state, occasion);
      await ledger.rollouts.record({ spec, ...occasion, decision }, 'legacy');
      state = decision.next;
    }
  }

  const hourPasses = () => opened.database.query('update verifications set at_ms = at_ms - 3600000 returning 1');
  const rows = 2 * commands.length;

  it('finds an intact trail intact, from its start and from any row', async () => {
    for (const after of [0, 1, 7, 8, commands.length, rows - 1, rows]) {
      expect(await verifyInSteps(ledger, undefined, after)).toEqual({
        isIntact: true,
        position: rows,
        message: `Rows 1 to ${rows} are intact, and every decision follows from its evidence.`,
      });
    }
  });

  it('finds a row that was altered or is missing, unless it is behind what was verified before', async () => {
    await opened.database.query("update rollout_audit set reason = 'another' where position = 30 returning 1");
    const altered = { isIntact: false, message: expect.stringMatching(/^Row 30 .* it was altered/) as string };
    expect(await verifyInSteps(ledger, undefined, 0)).toMatchObject(altered);
    expect(await verifyInSteps(ledger, undefined, 29)).toMatchObject(altered);
    expect(await verifyInSteps(ledger, undefined, 30)).toMatchObject({ isIntact: true });
    await opened.database.query('delete from rollout_audit where position > 40 returning 1');
    expect(await verifyInSteps(ledger, undefined, 40)).toMatchObject({
      isIntact: false,
      message: expect.stringMatching(/rows 41 to 44 after it are missing/) as string,
    });
    expect(await verifyInSteps(ledger, undefined, 44)).toMatchObject(altered);
  });

  it('finds a split that was changed by hand', async () => {
    await opened.database.query('update traffic_split set percent = 90 returning 1');
    expect(await verifyInSteps(ledger, undefined, 0)).toMatchObject({
      isIntact: false,
      message: expect.stringMatching(/it set the split's percent to 0, but turns are routed by 90/) as string,
    });
  });

  it('is done by a worker once an hour, whoever came before', async () => {
    await new HourlyVerification(ledger, undefined).verifyIfDue();
    expect(await ledger.page.verification()).toMatchObject({ isIntact: true, position: rows });
    await opened.database.query('update traffic_split set percent = 90 returning 1');
    const another = new HourlyVerification(ledger, undefined);
    await another.verifyIfDue();
    expect(await ledger.page.verification()).toMatchObject({ isIntact: true });
    await hourPasses();
    await another.verifyIfDue();
    expect(await ledger.page.verification()).toMatchObject({ isIntact: false, position: rows });
  });

  it('is done by one worker of those that look at the same time', async () => {
    const kept = jest.spyOn(ledger.tallies, 'keepVerification');
    const workers = Array.from({ length: 5 }, () => new HourlyVerification(ledger, undefined));
    await Promise.all(workers.map((worker) => worker.verifyIfDue()));
    expect(kept).toHaveBeenCalledTimes(1);
    await hourPasses();
    await Promise.all(workers.map((worker) => worker.verifyIfDue()));
    expect(kept).toHaveBeenCalledTimes(2);
  });

  it('is left to another worker if the one that began it has died', async () => {
    expect(await ledger.tallies.claimVerification()).toBe(true);
    await new HourlyVerification(ledger, undefined).verifyIfDue();
    expect(await ledger.page.verification()).toBeNull();
    await opened.database.query('update verifications set at_ms = at_ms - 600000 returning 1');
    await new HourlyVerification(ledger, undefined).verifyIfDue();
    expect(await ledger.page.verification()).toMatchObject({ isIntact: true, position: rows });
  });

  it('does not fail when the clock of the database is set back', async () => {
    await new HourlyVerification(ledger, undefined).verifyIfDue();
    await opened.database.query('update verifications set at_ms = at_ms + 86400000 returning 1');
    const kept = jest.spyOn(ledger.tallies, 'keepVerification');
    await new HourlyVerification(ledger, undefined).verifyIfDue();
    expect(kept).toHaveBeenCalledTimes(1);
  });
});
