import { deflateShare } from '../../../src/activities/deflate-share';
import type { ChatMessage, ToolCall } from '../../../src/contract/chat';
import { type Asked, flagsOf, type Given } from '../../../src/domain/turn/answer-flags';
import { type Exchange, readAnswers } from './read-answers';

const user = (content: string): ChatMessage => ({ role: 'user', content });
const system = (content: string): ChatMessage => ({ role: 'system', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

function flags(asked: string | readonly ChatMessage[], content: string, changes: Partial<Asked & Given> = {}) {
  const messages = typeof asked === 'string' ? [user(asked)] : asked;
  const question: Asked = { messages, isShortAsked: false, ...changes };
  return flagsOf(question, { content, finishReason: 'stop', ...changes }, deflateShare);
}
const flagsIn = ({ question, answer }: Exchange) => flags(question, answer);
const languages = ['en', 'zh', 'ja', 'ko', 'th', 'vi', 'id', 'mixed'] as const;
const inEnglish = 'Your order left our warehouse on Monday and should reach you by Thursday.';
const inChinese = '您的订单周一已从仓库发出，预计周四前送达，请留意物流短信。';

/** How many of the answers get exactly these flags. */
function counted(exchanges: readonly Exchange[], expected: string) {
  const told = exchanges.filter((exchange) => flagsIn(exchange).join() === expected).length;
  return `${told} of ${exchanges.length}`;
}

describe('the figures in docs/flags.md', () => {
  const fine = languages.flatMap((language) => readAnswers(`fine.${language}`));

  test('hold for the answers that the rules were written with', () => {
    expect({
      fine: counted(fine, ''),
      refused: counted(readAnswers('bad.refused'), 'refused'),
      'wrong-language': counted(readAnswers('bad.wrong-language'), 'wrong-language'),
    }).toEqual({ fine: '371 of 371', refused: '113 of 114', 'wrong-language': '70 of 70' });
  });

  test('hold for answers that were written later, which no rule was fitted to', () => {
    expect({
      fine: counted(readAnswers('unseen.fine'), ''),
      refused: counted(readAnswers('unseen.refused'), 'refused'),
      'wrong-language': counted(readAnswers('unseen.wrong-language'), 'wrong-language'),
    }).toEqual({ fine: '28 of 28', refused: '13 of 21', 'wrong-language': '11 of 12' });
  });

  test('are the same behind a system prompt and earlier turns', () => {
    for (const { question, answer } of fine) {
      const before = [
        system('You help customers of a shop. Be friendly, and answer in their language.'),
        user(question),
      ];
      const messages = [...before, assistant(answer), user(question)];
      expect([question, flags(messages, answer)]).toEqual([question, []]);
    }
  });
});

describe('an answer in another script than its question is fine', () => {
  test.each<[string, readonly ChatMessage[], string]>([
    [
      'if a system prompt asks for its language',
      [system('Always answer in English.'), user('我的订单在哪里？')],
      inEnglish,
    ],
    ['if a user asked for it before', [user('请用英语回答我'), assistant('OK.'), user('我的订单在哪里？')], inEnglish],
    ['if a user has written in it', [user(inChinese), assistant('好的'), user('Where is my order?')], inChinese],
    ['if it is to be translated', [user('Translate this: Where is my order?')], inChinese],
    ['if the question is a quotation', [user('"我的订单在哪里？"')], inEnglish],
    ['if the question is in both', [user('Where is my order, 我的订单在哪里?')], inChinese],
    [
      'if it answers a picture',
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.b' } }] }],
      inChinese,
    ],
  ])('%s', (_title, messages, answer) => expect(flags(messages, answer)).toEqual([]));

  test('but not because a system prompt lists the languages of its users', () => {
    const prompt = system('Our customers speak English, Chinese and Thai. Answer in the language of the question.');
    expect(flags([prompt, user('我的订单在哪里？')], inEnglish)).toEqual(['wrong-language']);
    expect(flags([prompt, user('Where is my order?')], inChinese)).toEqual(['wrong-language']);
    expect(flags([system('请用中文回答。'), user('我的订单在哪里？')], inEnglish)).toEqual(['wrong-language']);
  });

  test('long messages are read at their ends, and many of them not at all', () => {
    const long = `${inChinese.repeat(1_000)} Please answer in English.`;
    expect(flags([user(long)], inEnglish)).toEqual([]);
    const early = [user('Please answer in English.'), ...Array.from({ length: 30 }, () => user('我的订单在哪里？'))];
    expect(flags([system('Be kind.'), ...early], inEnglish)).toEqual(['wrong-language']);
  });
});

describe('an empty answer', () => {
  test.each(['', ' \n', '<think>The user asks for an order.</think>\n'])('%j', (content) => {
    expect(flags('Where is my order?', content)).toEqual(['empty']);
  });
  test('whose limit was used up is cut off, too', () => {
    expect(flags('Where is my order?', '', { finishReason: 'length' })).toEqual(['empty', 'truncated']);
  });
});

test('an answer that is cut off is flagged, unless its caller asked for less than usual', () => {
  for (const finishReason of ['length', 'MAX_TOKENS']) {
    expect(flags('Tell me more.', 'Your order has', { finishReason })).toEqual(['truncated']);
    expect(flags('Tell me more.', 'Your order has', { finishReason, isShortAsked: true })).toEqual([]);
  }
});

test('a refusal in its own field is one', () => {
  expect(flags('Tell me more.', '', { refusal: 'I cannot help with that.' })).toEqual(['refused']);
});

describe('where JSON is asked for', () => {
  const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
  const asObject = { modelOptions: { response_format: { type: 'json_object' } } };
  const asSchema = {
    modelOptions: { response_format: { type: 'json_schema', json_schema: { name: 'city', schema } } },
  };

  test.each<[string, Partial<Asked & Given>, string]>([
    ['an object', asObject, '{"city": "Paris"}'],
    ['an object in white space', asObject, '\n{"city": "Paris"}\n'],
    ['what the schema describes', asSchema, '{"city": "Paris", "more": 1}'],
    [
      'half of it, cut at the limit that the caller set',
      { ...asSchema, finishReason: 'length', isShortAsked: true },
      '{"ci',
    ],
    ['text, where text is asked for', { modelOptions: { response_format: { type: 'text' } } }, 'Paris'],
    ['another script', asObject, '{"城市": "巴黎，法国的首都，塞纳河畔的城市，有铁塔和卢浮宫"}'],
    ['the words of a refusal', asObject, '{"answer": "I am sorry, but I cannot help with that."}'],
  ])('%s is fine', (_title, options, content) => expect(flags('Which city is it?', content, options)).toEqual([]));

  test.each<[string, Partial<Asked & Given>, string]>([
    ['text', asObject, 'Paris'],
    ['half an object', asObject, '{"city": "Pa'],
    ['an object in a code block', asObject, '```json\n{"city": "Paris"}\n```'],
    ['an object and more', asObject, 'Here you are: {"city": "Paris"}'],
    ['a number', asObject, '7'],
    ['another object', asSchema, '{"town": "Paris"}'],
    ['a number where the schema wants an object', asSchema, '7'],
    ['another type', asSchema, '{"city": 7}'],
  ])('%s is invalid', (_title, options, content) =>
    expect(flags('Which city is it?', content, options)).toEqual(['invalid-json']),
  );
});

describe('a tool call', () => {
  const tools = [
    { type: 'function', function: { name: 'find_order', parameters: {} } },
    { type: 'custom', custom: { name: 'shell' } },
  ];
  const call = (name: string, given: string): ToolCall => ({
    id: 'a',
    type: 'function',
    function: { name, arguments: given },
  });
  const custom: ToolCall = { id: 'a', type: 'custom', custom: { name: 'shell', input: 'ls' } };
  const flagsOfCalls = (toolCalls: readonly ToolCall[], changes: Partial<Asked & Given> = {}) =>
    flags('Where is my order?', '', { modelOptions: { tools }, toolCalls, finishReason: 'tool_calls', ...changes });

  test.each<[string, readonly ToolCall[]]>([
    ['of an offered tool', [call('find_order', '{"id":1}'), call('find_order', '{}')]],
    ['of a custom tool', [custom]],
    ["of the provider's own", [{ id: 'a', type: 'web_search' }]],
  ])('%s is fine', (_title, toolCalls) => expect(flagsOfCalls(toolCalls)).toEqual([]));

  test.each<[string, readonly ToolCall[]]>([
    ['of an unknown tool', [call('find_order', '{}'), call('lost', '{}')]],
    ['with arguments that are no JSON', [call('find_order', '{"id":')]],
    ['with arguments that are no object', [call('find_order', '[1]')]],
    ['without a function', [{ id: 'a', type: 'function' }]],
    ['of an unknown custom tool', [{ ...custom, custom: { name: 'lost' } }]],
  ])('%s is invalid', (_title, toolCalls) => expect(flagsOfCalls(toolCalls)).toEqual(['invalid-tool-call']));

  test('where none was offered is invalid, and one that was cut off is cut off', () => {
    expect(flagsOfCalls([call('find_order', '{}')], { modelOptions: {} })).toEqual(['invalid-tool-call']);
    expect(flagsOfCalls([call('find_order', '{"id":')], { finishReason: 'length' })).toEqual(['truncated']);
  });
});

describe('a long answer', () => {
  const times = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => line(index)).join('\n');
  const paragraph =
    'Our return policy gives you thirty days. Shoes must not be worn outside, jackets must have their labels, and books must be as new. We pay for the label. Refunds take three to five working days, and vouchers arrive at once by e-mail. ';

  test.each<[string, string]>([
    [
      'a table of orders',
      times(
        80,
        (index) =>
          `| ${10_000 + index * 37} | 2026-11-${1 + (index % 28)} | ${((index * 7919) % 9973) / 100} USD | sent |`,
      ),
    ],
    [
      'a multiplication table',
      times(40, (row) => Array.from({ length: 20 }, (_, column) => (row + 1) * (column + 1)).join(' ')),
    ],
    [
      'a list of like sentences',
      times(40, (index) => `${index + 1}. Item ${(index * 7919) % 9973} is in stock and can be sent to you today.`),
    ],
    ['the same paragraph twice', paragraph.repeat(2).padEnd(1_600, 'And so on, as the page says. ')],
    [
      'JSON of like rows',
      JSON.stringify(
        Array.from({ length: 60 }, (_, index) => ({
          id: index * 7919,
          state: 'open',
          amount: (index * 104_729) % 1_000,
        })),
      ),
    ],
    ['a short repetition, as asked for', 'hello '.repeat(200)],
  ])('that is %s is fine', (_title, answer) => expect(flags('Tell me all of it, please.', answer)).toEqual([]));

  test.each<[string, string]>([
    ['one sentence', 'I am sorry for the delay. '.repeat(200)],
    ['one word', 'the '.repeat(2_000)],
    ['one paragraph', paragraph.repeat(40)],
    ['one sentence after a good beginning', paragraph + 'Please wait. '.repeat(2_000)],
    ['one Chinese sentence', '请您耐心等待，我们会尽快处理。'.repeat(200)],
    ['empty lines', `Well.${'\n'.repeat(3_000)}.`],
  ])('that repeats %s is repetitive', (_title, answer) =>
    expect(flags('Tell me all of it, please.', answer).at(-1)).toBe('repetitive'),
  );
});
