import type { ChatMessage, ChatReply, TranscriptTurn } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';
import { ConversationState } from '../../src/workflows/conversation-state';

/** Of one byte in UTF-8, and of six in JSON. */
const bell = '\u0007';
const payloadLimitBytes = 2 * 1024 * 1024;

function turn(index: number, userContent = `question ${index}`): TranscriptTurn {
  const reply = { content: `answer ${index}`, success: true, blocked: false, tokens_used: 1 } as ChatReply;
  return { turnId: `t-${index}`, atMs: index, userContent, reply: { ...reply, cost_usd: 0, unconfirmed_usd: 0 } };
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const history: readonly ChatMessage[] = [{ role: 'user', content: 'Once upon a time' }];

test('what is carried to the next run fits a payload, whatever characters its texts are made of', () => {
  const long = [{ role: 'user', content: bell.repeat(limits.maxHistoryBytes) }] as const;
  const systemPrompt = bell.repeat(limits.maxMessageBytes);
  const state = new ConversationState('s', systemPrompt, undefined, long);
  for (let index = 0; index < 30; index += 1) {
    state.add(turn(index, bell.repeat(limits.maxMessageBytes)));
    expect(bytesOf({ systemPrompt, ...state.carry(0) })).toBeLessThan(payloadLimitBytes);
  }
  expect(state.recent(1)).toMatchObject([{ turnId: 't-29' }]);
});

test('a turn that fits no payload with the rest is forgotten, and the conversation goes on', () => {
  const state = new ConversationState('s', undefined, undefined);
  state.add(turn(0, bell.repeat(limits.maxMessageBytes * 5)));
  expect(state.carry(7)).toMatchObject({ carried: { turns: [], totals: { turns: 1 }, lastActivityAtMs: 7 } });
});

test('a history from before is carried as long as the window shows some of it', () => {
  const state = new ConversationState('s', undefined, undefined, history);
  for (let index = 0; index < 9; index += 1) state.add(turn(index));
  expect(state.windowWith([])[0]).toEqual(history[0]);
  expect(state.carry(0)).toMatchObject({ history });
  state.add(turn(9));
  expect(state.carry(0).history).toBeUndefined();
});

describe('thoughts', () => {
  const calls = [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }];
  const thoughtfulTurn = (index: number, thoughts: string, changes: Partial<ChatReply> = {}): TranscriptTurn => {
    const { reply, ...rest } = turn(index);
    return { ...rest, reply: { ...reply, reasoning_content: thoughts, ...changes } };
  };

  test('are shown to the next model beside their tool calls, even if they are empty, and otherwise not', () => {
    const state = new ConversationState('s', undefined, undefined);
    state.add(thoughtfulTurn(0, 'Hm.'));
    state.add(thoughtfulTurn(1, '', { tool_calls: calls, content: '' }));
    const [, plain, , called] = state.windowWith([{ role: 'tool', tool_call_id: 'a', content: '7' }]);
    expect(plain).toEqual({ role: 'assistant', content: 'answer 0' });
    expect(called).toEqual({ role: 'assistant', content: null, tool_calls: calls, reasoning_content: '' });
  });

  test('make room before any turn is forgotten, and those beside calls are kept', () => {
    const state = new ConversationState('s', undefined, undefined);
    state.add(thoughtfulTurn(0, 'x'.repeat(limits.maxThoughtBytes), { tool_calls: calls }));
    for (let index = 1; index < 40; index += 1) state.add(thoughtfulTurn(index, 'x'.repeat(limits.maxThoughtBytes)));
    const { turns } = state.transcript('open');
    expect(turns).toHaveLength(40);
    expect(turns[0]?.reply).toHaveProperty('reasoning_content');
    expect(turns[1]?.reply).not.toHaveProperty('reasoning_content');
    expect(turns.at(-1)?.reply).toHaveProperty('reasoning_content');
    expect(bytesOf(turns)).toBeLessThan(limits.maxTranscriptBytes);
    // The bytes are still counted right: long turns push out the oldest ones, and no more.
    for (let index = 40; index < 50; index += 1) state.add(turn(index, 'x'.repeat(limits.maxThoughtBytes)));
    expect(bytesOf(state.transcript('open').turns)).toBeGreaterThan(
      limits.maxTranscriptBytes - 2 * limits.maxThoughtBytes,
    );
  });
});
