import type { Completion } from '../../src/gateway/completion';
import { type ScriptedProvider, startScriptedProvider } from '../support/scripted-provider';
import { fallbackModel } from '../support/service';
import { unique } from '../support/temporal';
import { ask, manners } from './faults/ask';
import { type GatewayService, hello, oneAttempt, startGatewayService } from './gateway-service';

let provider: ScriptedProvider;
let setting: GatewayService;
beforeAll(async () => {
  provider = await startScriptedProvider();
  setting = await startGatewayService({
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
    configuration: { retry: { ...oneAttempt }, breaker: { failures: 1_000 } },
  });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});

const inEnglish = 'Your order left our warehouse on Monday and should reach you by Thursday.';
const chinese = { ...hello, messages: [{ role: 'user', content: '我的订单在哪里？' }] };
const asksAgain = async () =>
  (await setting.service.ledger.costsBy('language', 100)).flatMap(({ key, flags }) =>
    flags?.['asked-again'] === undefined ? [] : [[key, flags['asked-again']]],
  );

test.each(manners)(
  'what seems wrong with an answer stands beside it, and nothing if it is fine (%s)',
  async (manner) => {
    provider.answer({ pieces: [inEnglish] });
    const flagged = await ask(setting, manner, chinese);
    expect(flagged.raw).toContain('"flags":["wrong-language"]');
    const fine = await ask(setting, manner, hello);
    expect(fine.raw).not.toContain('"flags"');
  },
);

test.each(manners)('an empty answer is asked for again elsewhere, and nobody has seen it (%s)', async (manner) => {
  provider.answer({ pieces: ['\n', ' '] }, { pieces: [inEnglish] });
  const asked = await ask(setting, manner, hello);
  expect(asked).toMatchObject({ content: inEnglish, model: fallbackModel, attempts: 2, finishReason: 'stop' });
  const rows = await setting.service.ledger.attempts(asked.turnId);
  expect(rows.map(({ state, outcome }) => [state, outcome])).toEqual([
    ['settled', 'malformed-response'],
    ['settled', 'answered'],
  ]);
});

test('the flags of an answer that came later in the chain are told and kept', async () => {
  provider.answer({ pieces: [''] }, { pieces: [inEnglish] });
  const response = await setting.call('/v1/chat/completions', chinese);
  const { bellwether } = (await response.json()) as Completion;
  expect(bellwether).toMatchObject({ attempts: 2, flags: ['wrong-language'] });
  const stored = await setting.call(`/v1/turns/${bellwether.turn_id}`);
  expect(await stored.text()).toContain('"flags":["wrong-language"]');
});

test('a question that a session asks again flags the answer before it, once', async () => {
  provider.answer({ pieces: ['ส่งแล้วค่ะ'] });
  const headers = { 'x-bellwether-session': unique('session') };
  const say = (content: string) =>
    setting.call('/v1/chat/completions', { ...hello, messages: [{ role: 'user', content }] }, headers);
  await say('สินค้าของฉันอยู่ที่ไหนคะ');
  await say('ขอบคุณค่ะ');
  expect(await asksAgain()).toEqual([]);
  await say('สินค้าของฉันอยู่ที่ไหน');
  expect(await asksAgain()).toEqual([['th', 1]]);
  // Of another session, it is another's.
  await setting.service.client.send({ sessionId: unique('session'), content: 'สินค้าของฉันอยู่ที่ไหน' });
  expect(await asksAgain()).toEqual([['th', 1]]);
});
