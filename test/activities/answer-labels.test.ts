import { join } from 'node:path';
import type { Activities } from '../../src/activities/create-activities';
import type { Delivery } from '../../src/contract/chat';
import type { OpenTurnInput } from '../../src/contract/turn';
import { measurePrompt } from '../../src/domain/turn/measure-text';
import { openSqliteFile } from '../../src/platform/better-sqlite3';
import { type ScriptedAnswer, type ScriptedProvider, startScriptedProvider } from '../support/scripted-provider';
import { unique } from '../support/temporal';
import { admit, callOf, inActivity, ledgerWith, newTurn, open, prepareSetting, type Setting } from './setting';

let provider: ScriptedProvider;
let setting: Setting;
let activities: Activities;
beforeAll(async () => {
  provider = await startScriptedProvider();
  setting = await prepareSetting({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl } });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});
beforeEach(() => {
  activities = setting.newProcess();
});

function rows<Row>(statement: string, turnId: string): Row[] {
  const database = openSqliteFile(join(setting.settings.dataDirectory, 'ledger.db'), { readonly: true });
  try {
    return database.prepare(statement).all(turnId) as Row[];
  } finally {
    database.close();
  }
}
const labelsOf = ({ turnId }: OpenTurnInput) =>
  rows<{ language: string; flags: string | null }>('select language, flags from turns where turn_id = ?', turnId);
const firstTokensOf = ({ turnId }: OpenTurnInput) =>
  rows<{ ms: number | null }>('select first_token_ms ms from attempts where turn_id = ? order by attempt', turnId);

test('an answered turn has the language of its question, and its answer’s flags', async () => {
  provider.answer({ pieces: ['Your order left our warehouse on Monday and should reach you by Thursday.'] });
  const question = newTurn('我的订单在哪里？');
  const opened = await open(activities, question);
  expect(opened).toMatchObject({ kind: 'answered', flags: ['wrong-language'] });
  expect(labelsOf(question)).toEqual([{ language: 'zh', flags: 'wrong-language' }]);

  const fine = newTurn('Where is my order?');
  expect(await open(activities, fine)).toMatchObject({ kind: 'answered', flags: [] });
  expect(labelsOf(fine)).toEqual([{ language: 'en', flags: '' }]);
});

test('an answer that was cut off at a limit below the default is what its caller asked for', async () => {
  provider.answer({ pieces: ['Your order has'], finishReason: 'length' });
  const { defaults } = setting.settings.policy;
  expect(await open(activities, newTurn())).toMatchObject({ flags: ['truncated'] });
  expect(await open(activities, { ...newTurn(), maxTokens: defaults.maxTokens })).toMatchObject({
    flags: ['truncated'],
  });
  expect(await open(activities, { ...newTurn(), maxTokens: defaults.maxTokens - 1 })).toMatchObject({ flags: [] });
});

test('the answer of a call that its workflow made has its flags, and recording the turn keeps them', async () => {
  const turn = { ...newTurn(), model: 'gemini-2.5-flash', modelOptions: { response_format: { type: 'json_object' } } };
  provider.answer({ pieces: ['It is on its way.'] });
  const lost = () => Promise.reject(new Error('The ledger is lost.'));
  const withoutRecord = setting.newProcess(ledgerWith(setting.ledger, { recordTurn: lost }));
  const opened = await open(withoutRecord, turn);
  if (opened.kind !== 'admitted' || opened.firstCall?.kind !== 'answered') throw new Error('It was not answered.');
  const { model, settlement, flags } = opened.firstCall;
  expect(flags).toEqual(['invalid-json']);
  const answer = { target: 'holysheep-fallback', model, settlement, flags };
  await inActivity(() => activities.recordTurn({ turnId: turn.turnId, answer, error: null }));
  expect(labelsOf(turn)).toEqual([{ language: 'en', flags: 'invalid-json' }]);
});

test.each(['whole', 'collected', 'streamed'] as const)(
  'an answer of white space alone is a failed call that is paid for (%s)',
  async (delivery: Delivery) => {
    provider.answer({ pieces: ['\n', ' '] });
    const turn = { ...newTurn(), delivery };
    const opened = await open(activities, turn);
    expect(opened).toMatchObject({
      kind: 'admitted',
      firstCall: { kind: 'failed', failure: { kind: 'malformed-response', isEmptyAnswer: true } },
    });
    expect(await setting.ledger.attempts(turn.turnId)).toMatchObject([
      { state: 'settled', outcome: 'malformed-response', costNanoUsd: 15 * 420 },
    ]);
    expect(await setting.streams.pieces(turn.turnId)).toEqual([]);
  },
);

test.each<[string, ScriptedAnswer, readonly string[]]>([
  ['a refusal', { pieces: [], refusal: 'I cannot help with that.' }, ['refused']],
  ['a limit that was used up', { pieces: [], finishReason: 'length' }, ['empty', 'truncated']],
  [
    'a tool call',
    { pieces: [], toolCalls: [{ id: 'a', type: 'function', function: { name: 'find_order', arguments: '{' } }] },
    ['invalid-tool-call'],
  ],
])('an answer without text that %s explains is an answer', async (_title, answer, flags) => {
  provider.answer(answer);
  const tools = [{ type: 'function', function: { name: 'find_order', parameters: {} } }];
  const messages = newTurn().messages;
  const modelOptions = { tools };
  const turn = { ...newTurn(), modelOptions, prompt: measurePrompt(messages, modelOptions) };
  expect(await open(activities, turn)).toMatchObject({ kind: 'answered', content: '', flags });
});

test('a streamed call has the time of its first token, whether it is answered or not; a whole one has none', async () => {
  provider.answer({ pieces: ['On ', 'its way.'] });
  const [streamed, whole, silent] = [{ ...newTurn(), delivery: 'streamed' as const }, newTurn(), newTurn()];
  const opened = await open(activities, streamed);
  expect(opened).toMatchObject({ kind: 'answered' });
  await open(activities, whole);
  provider.answer({ pieces: [] });
  await open(activities, { ...silent, delivery: 'streamed' });
  const [[first], [none], [never]] = [firstTokensOf(streamed), firstTokensOf(whole), firstTokensOf(silent)];
  expect(first?.ms).toBeGreaterThanOrEqual(0);
  expect(none).toEqual({ ms: null });
  expect(never).toEqual({ ms: null });
});

test('a question that is asked again flags the earlier answer, even if it is not answered itself', async () => {
  provider.answer({ pieces: ['On its way.'] });
  const earlier = newTurn();
  await open(activities, earlier);
  const again = { ...newTurn(), asksAgain: earlier.turnId };
  await open(activities, again);
  expect([labelsOf(earlier), labelsOf(again)]).toMatchObject([[{ flags: 'asked-again' }], [{ flags: '' }]]);

  // A label that cannot be written, or of a turn that is not there, fails no turn.
  const lost = () => Promise.reject(new Error('The ledger is lost.'));
  const withoutFlags = setting.newProcess(ledgerWith(setting.ledger, { flagAnswer: lost }));
  expect(await open(withoutFlags, { ...newTurn(), asksAgain: earlier.turnId })).toMatchObject({ kind: 'answered' });
  expect(await open(activities, { ...newTurn(), asksAgain: unique('turn') })).toMatchObject({ kind: 'answered' });
});

test('a regular activity tells the flags of its answer, too', async () => {
  const regular = await prepareSetting({
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
    configuration: {
      arms: {
        holysheep: {
          targets: [{ name: 'one', provider: 'holysheep', model: 'deepseek-v3.2', firstAttempt: 'regular' }],
        },
      },
      defaultArm: 'holysheep',
    },
  });
  try {
    provider.answer({ pieces: ["I'm sorry, but I can't help with that."] });
    const process = regular.newProcess();
    const turn = newTurn();
    const call = callOf(turn, await admit(process, turn));
    expect(await inActivity(() => process.callModel(call))).toMatchObject({ kind: 'answered', flags: ['refused'] });
  } finally {
    await regular.stop();
  }
});
