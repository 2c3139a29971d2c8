import type { AnswerFlag } from '../../src/contract/user-evidence';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { admitRequest, dayMs, noonMs, plan, reservation, settled, turnRecord, wideCaps } from './requests';

describeOnEachDatabase('labels of turns', (databases) => {
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
  });
  afterEach(() => opened.close());

  const rows = <Row>(statement: string) => opened.database.query<Row>(statement);
  const flagsOf = async (turnId: string) => {
    const [row] = await rows<{ flags: string | null }>(`select flags from turns where turn_id = '${turnId}'`);
    return row?.flags;
  };

  test('a turn has the language it was admitted with, and its answer’s flags in one order', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('turn', 400, { language: 'zh' }));
    expect(await rows('select language, flags from turns')).toEqual([{ language: 'zh', flags: null }]);
    await ledger.recordTurn(turnRecord('turn', [settled(1, 120)], { flags: ['wrong-language', 'truncated'] }));
    expect(await flagsOf('turn')).toBe('truncated,wrong-language');
    // Recorded again by a worker that does not know the flags.
    await ledger.recordTurn(turnRecord('turn', []));
    expect(await flagsOf('turn')).toBe('truncated,wrong-language');
  });

  test('without labels, language and flags are unknown; an answer can have no flag', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('unknown', 400));
    await ledger.recordTurn(turnRecord('unknown', [settled(1, 120)]));
    expect(await rows('select language, flags from turns')).toEqual([{ language: null, flags: null }]);
    await ledger.admit(admitRequest('fine', 400));
    await ledger.recordTurn(turnRecord('fine', [settled(1, 120)], { flags: [] }));
    expect(await flagsOf('fine')).toBe('');
  });

  test('costs by language have the flags of its answers, and turns of an unknown language are apart', async () => {
    const { ledger } = opened;
    const answered = async (turnId: string, language: string | null, flags?: readonly AnswerFlag[]) => {
      await ledger.admit(admitRequest(turnId, 400, { language }));
      await ledger.recordTurn(turnRecord(turnId, [settled(1, 120)], { flags }));
    };
    await answered('a', 'zh', ['truncated', 'wrong-language']);
    await answered('b', 'zh', ['wrong-language']);
    await answered('c', 'zh', []);
    await answered('d', 'en', []);
    await answered('e', null);
    const rowsByLanguage = await ledger.costsBy('language', 10);
    expect(rowsByLanguage.map(({ key, turns, costNanoUsd, flags }) => [key, turns, costNanoUsd, flags])).toEqual([
      ['zh', 3, 360, { truncated: 1, 'wrong-language': 2 }],
      ['(none)', 1, 120, {}],
      ['en', 1, 120, {}],
    ]);
    for (const row of await ledger.costsBy('model', 10)) expect(row).not.toHaveProperty('flags');
  });

  test('a flag can be added later, once', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('turn', 400));
    await ledger.recordTurn(turnRecord('turn', [settled(1, 120)], { flags: ['repetitive'] }));
    await ledger.flagAnswer('turn', 'asked-again');
    await ledger.flagAnswer('turn', 'asked-again');
    await ledger.flagAnswer('turn', 'empty');
    await ledger.flagAnswer('nobody', 'empty');
    expect(await flagsOf('turn')).toBe('empty,repetitive,asked-again');
  });

  test('a call keeps the time to its first token, in whole milliseconds', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('turn', 400));
    await ledger.settleAttempt('turn', settled(1, 120, { firstTokenMs: 61.4 }));
    await ledger.admit(admitRequest('whole', 400));
    await ledger.settleAttempt('whole', settled(1, 120));
    const found = await rows<{ ms: string | number | null }>(
      'select first_token_ms as ms from attempts order by turn_id',
    );
    expect(found.map(({ ms }) => (ms === null ? null : Number(ms)))).toEqual([61, null]);
  });

  test('the last signal about a turn counts, and none about an unknown turn', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('turn', 400));
    expect(await ledger.recordFeedback({ turnId: 'turn', signal: 'up', atMs: noonMs })).toBe('recorded');
    expect(await ledger.recordFeedback({ turnId: 'turn', signal: 'handoff', atMs: noonMs + 1 })).toBe('recorded');
    expect(await ledger.recordFeedback({ turnId: 'turn', signal: 'handoff', atMs: noonMs + 1 })).toBe('recorded');
    expect(await ledger.recordFeedback({ turnId: 'nobody', signal: 'up', atMs: noonMs })).toBe('unknown-turn');
    await ledger.admit(admitRequest('refused', 400, { caps: { ...wideCaps, dayNanoUsd: 0 } }));
    expect(await ledger.recordFeedback({ turnId: 'refused', signal: 'up', atMs: noonMs })).toBe('unknown-turn');
    const found = await rows<{ signal: string; at: string | number }>('select signal, at_ms as at from feedback');
    expect(found.map((row) => ({ ...row, at: Number(row.at) }))).toEqual([{ signal: 'handoff', at: noonMs + 1 }]);
  });

  test('a signal about a turn outside of rollouts does not wait to be counted', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('outside', 400));
    const within = plan(reservation(400), { rollout: 'november', bake: 1 });
    await ledger.admit(admitRequest('within', 400, { plan: () => within }));
    for (const turnId of ['outside', 'within', 'outside', 'within']) {
      await ledger.recordFeedback({ turnId, signal: 'up', atMs: noonMs });
    }
    expect(await rows('select turn_id as id from feedback where is_counted = 0')).toEqual([{ id: 'within' }]);
  });

  test('a turn takes signals for 7 days, and keeps the last one', async () => {
    const { ledger } = opened;
    await ledger.admit(admitRequest('turn', 400));
    const at = (atMs: number) => ledger.recordFeedback({ turnId: 'turn', signal: 'down', atMs });
    expect(await at(noonMs + 7 * dayMs)).toBe('recorded');
    expect(await at(noonMs + 7 * dayMs + 1)).toBe('too-late');
    expect(await rows('select signal from feedback')).toEqual([{ signal: 'down' }]);
    // By the database's clock: the turn is from 2026, or from today.
    await ledger.admit(admitRequest('today', 400, { atMs: undefined }));
    expect(await ledger.recordFeedback({ turnId: 'today', signal: 'up' })).toBe('recorded');
  });

  test('signals are counted by arm and language of the rollout, without turns that were rescued', async () => {
    const { ledger } = opened;
    const give = async (turnId: string, arm: string, language: string | null, rescuedBy: string | null = null) => {
      const countedIn = turnId.startsWith('other') ? null : { rollout: 'november', bake: 1 };
      await ledger.admit(
        admitRequest(turnId, 400, { plan: () => plan(reservation(400, { arm }), countedIn), language }),
      );
      await ledger.recordTurn(turnRecord(turnId, [settled(1, 120)], { rescuedBy }));
      await ledger.recordFeedback({ turnId, signal: turnId.endsWith('bad') ? 'down' : 'up', atMs: noonMs });
    };
    await give('1', 'legacy', 'zh');
    await give('2', 'holysheep', 'zh');
    await give('3', 'holysheep', 'zh');
    await give('4 bad', 'holysheep', 'zh');
    await give('5', 'holysheep', null);
    await give('6', 'holysheep', 'zh', 'legacy');
    await give('other', 'holysheep', 'zh');
    expect(await ledger.rollouts.feedback('november')).toEqual([
      { arm: 'holysheep', language: 'und', signal: 'up', turns: 1 },
      { arm: 'holysheep', language: 'zh', signal: 'down', turns: 1 },
      { arm: 'holysheep', language: 'zh', signal: 'up', turns: 2 },
      { arm: 'legacy', language: 'zh', signal: 'up', turns: 1 },
    ]);
    expect(await ledger.rollouts.feedback('nobody')).toEqual([]);
  });
});
