import { withoutPersonalData } from '../../../src/client/personal-ids';
import { oneShotTurnName, turnName } from '../../../src/contract/names';
import { readSessionPage } from '../../../src/operator/page/read-session-page';
import { admitRequest, noonMs, settled, turnRecord } from '../../ledger/requests';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../../support/ledgers';

const service = { version: '1', isSimulated: true, temporalUiUrl: 'http://127.0.0.1:8233', namespace: 'chat' };

describeOnEachDatabase('the page of a session', (databases) => {
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
  });
  afterEach(() => opened.close());

  it('has its turns as facts, the newest first, with the workflow that each is in', async () => {
    const { ledger } = opened;
    const name = turnName('42', 's1');
    await ledger.admit(admitRequest(name, 5_000, { sessionId: 's1', language: 'zh' }));
    await ledger.recordTurn(turnRecord(name, [settled(1, 400)], { flags: ['empty'], atMs: noonMs + 250 }));
    await ledger.recordFeedback({ turnId: name, signal: 'up', atMs: noonMs + 300 });
    const oneShot = oneShotTurnName('43', 's1');
    await ledger.admit(admitRequest(oneShot, 5_000, { sessionId: 's1', atMs: noonMs + 1_000 }));
    await ledger.admit(admitRequest(turnName('44', 's2'), 5_000, { sessionId: 's2' }));
    expect(await readSessionPage({ ledger, service }, ' s1 ')).toEqual({
      id: 's1',
      costNanoUsd: 400,
      turns: [
        {
          turn: '43',
          atMs: noonMs + 1_000,
          arm: 'holysheep',
          target: null,
          outcome: 'in progress',
          language: null,
          flags: [],
          feedback: null,
          attempts: 1,
          latencyMs: null,
          promptTokens: 0,
          completionTokens: 0,
          costNanoUsd: 0,
          workflowUrl: 'http://127.0.0.1:8233/namespaces/chat/workflows/turn%2F43%20for%20s1',
        },
        {
          turn: '42',
          atMs: noonMs,
          arm: 'holysheep',
          target: 'holysheep-primary',
          outcome: 'answered',
          language: 'zh',
          flags: ['empty'],
          feedback: 'up',
          attempts: 1,
          latencyMs: 250,
          promptTokens: 30,
          completionTokens: 12,
          costNanoUsd: 400,
          workflowUrl: 'http://127.0.0.1:8233/namespaces/chat/workflows/conversation%2Fs1',
        },
      ],
    });
    expect(await readSessionPage({ ledger, service: { ...service, temporalUiUrl: null } }, 'nobody')).toEqual({
      id: 'nobody',
      turns: [],
      costNanoUsd: 0,
    });
  });

  it('is found by its own name where sessions named by personal data are hidden', async () => {
    const { ledger } = opened;
    const idKey = new Uint8Array(32).fill(7);
    const hidden = withoutPersonalData('ann@example.com', idKey);
    expect(hidden).toMatch(/^hidden-/);
    await ledger.admit(admitRequest(turnName('42', hidden), 5_000, { sessionId: hidden }));
    const found = await readSessionPage({ ledger, service }, 'ann@example.com', idKey);
    expect(found).toMatchObject({ id: hidden, turns: [{ turn: '42' }] });
  });
});
