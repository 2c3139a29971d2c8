import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { admitRequest, noonMs } from './requests';

describeOnEachDatabase('stops of turns', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  const [running, other, interrupting] = ['running in one', 'other in two', 'interrupting in one'] as const;
  const all = [running, other, interrupting, 'charged for one'] as const;
  const admit = (turnId: string, sessionId: string) => ledger.admit({ ...admitRequest(turnId, 400), sessionId });

  test('a message that interrupts stops the turns of its conversation, and no others', async () => {
    await admit(running, 'one');
    await admit('charged for one', 'one');
    await admit(other, 'two');
    await ledger.stops.askAllOf('one', interrupting, noonMs);
    expect(await ledger.stops.among(all)).toEqual([running]);
  });

  test('the same message sent again stops nothing that came after it', async () => {
    await admit(interrupting, 'one');
    await admit(running, 'one');
    await ledger.stops.askAllOf('one', interrupting, noonMs);
    expect(await ledger.stops.among(all)).toEqual([]);
  });
});
