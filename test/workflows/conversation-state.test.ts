import * as fc from 'fast-check';
import type { Branch, ChatMessage, ChatReply, TranscriptTurn } from '../../src/contract/chat';
import { imageScheme } from '../../src/contract/images';
import { limits } from '../../src/contract/limits';
import { findPlace } from '../../src/domain/turn/find-place';
import { messageText } from '../../src/domain/turn/messages';
import { conversationProblem, sendMessageProblem } from '../../src/domain/turn/validate-input';
import { contextWindow } from '../../src/domain/turn/window';
import type { ChatRequest } from '../../src/gateway/chat-request';
import { sessionTurn } from '../../src/gateway/session-turn';
import { ConversationState, newMessages } from '../../src/workflows/conversation-state';
import { readsOf } from '../support/counted-reads';

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

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });
const system: ChatMessage = { role: 'system', content: 'Be brief.' };

/** A conversation of a chat application, with its gateway and its workflow, and no network between them. */
class Chat {
  state = new ConversationState('s', 'Be brief.', undefined);
  branch: Branch | undefined;
  private count = 0;
  private hasEnded = false;

  /** What the model is sent. */
  ask(messages: readonly ChatMessage[], answer: string): readonly ChatMessage[] {
    const turnId = `t-${(this.count += 1)}`;
    const frame = { turnId, keyId: 'k', userId: undefined, model: null, deadlineMs: 1_000 };
    const body = { model: 'bellwether', messages: [system, ...messages] } as ChatRequest;
    const memory = this.hasEnded ? 'none' : this.state.outline('open');
    const call = sessionTurn(body, 's', frame, memory);
    if (call.kind !== 'session') throw new Error('a turn of no session');
    const { options } = call;
    expect(conversationProblem(options) ?? sendMessageProblem(options)).toBeNull();
    if (this.hasEnded) this.state = new ConversationState('s', options.systemPrompt, undefined, options.history);
    this.hasEnded = false;
    this.branch = options.branch;
    expect(options.branch && this.state.canFollow(options.branch)).toBe(true);
    const placed = options.branch && this.state.placed(options.branch);
    const seen = this.state.windowWith(newMessages(options), placed);
    const { content: userContent, messages: added } = options;
    const reply = { content: answer, success: true, blocked: false, tokens_used: 1, cost_usd: 0, unconfirmed_usd: 0 };
    const asked = { userContent, ...(added && { messages: added }), ...(placed && { branch: placed }) };
    this.state.add({ turnId, atMs: 0, ...asked, reply: reply as unknown as ChatReply });
    return seen;
  }

  /** As after a day without a message. */
  end(): void {
    this.hasEnded = true;
  }

  get lastTurnId(): string {
    return `t-${this.count}`;
  }

  /** As when Temporal suggests to continue as new. */
  continueAsNew(): void {
    const { history: carriedHistory, carried } = this.state.carry(0);
    this.state = new ConversationState('s', 'Be brief.', JSON.parse(JSON.stringify(carried)), carriedHistory);
  }
}

const picture = (text: string, id: string): ChatMessage => ({
  role: 'user',
  content: [
    { type: 'text', text },
    { type: 'image_url', image_url: { url: `${imageScheme}sha256-${id}` } },
  ],
});
const anyQuestion = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('yes', 'no', 'Tell me more.', 'Why?').map(user) },
  { weight: 2, arbitrary: fc.constantFrom('a', 'b').map((id) => picture('What is it?', id)) },
  { weight: 1, arbitrary: fc.constantFrom('x', 'y').map((letter) => user(letter.repeat(50_000))) },
);
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('say', 'say', 'say', 'edit', 'again', 'continue', 'stop', 'delete', 'end', 'new run'),
    at: fc.nat(),
    question: anyQuestion,
    isAnswerRepeated: fc.boolean(),
  }),
  { maxLength: 100 },
);

test('whatever is edited, the model sees the window of what the application shows', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (taken, prefersLatest) => {
      const chat = new Chat();
      const branches: (readonly ChatMessage[])[] = [[]];
      let answers = 0;
      const ask = (messages: readonly ChatMessage[], isAnswerRepeated: boolean): void => {
        const last = messages.at(-1)!;
        const isContinued = last.role === 'assistant';
        if (!isAnswerRepeated) answers += 1;
        const answer = `${isContinued ? ' and' : ''} answer ${answers}`;
        const seen = chat.ask(messages, answer);
        const expected = contextWindow([system, ...messages]);
        expect(seen.map(shortened)).toEqual(expected.map(shortened));
        branches.push(
          isContinued
            ? [...messages.slice(0, -1), assistant(`${messageText(last)}${answer}`)]
            : [...messages, assistant(answer)],
        );
      };
      for (const { kind, at, question: added, isAnswerRepeated } of taken) {
        const branch = (prefersLatest ? branches.at(-1) : branches[at % branches.length]) ?? [];
        const questions = branch.flatMap(({ role }, index) => (role === 'user' ? [index] : []));
        const question = questions[at % questions.length];
        if (kind === 'say') ask([...branch, added], isAnswerRepeated);
        if (kind === 'new run') chat.continueAsNew();
        if (kind === 'end') chat.end();
        if (question === undefined) continue;
        const without = [...branch.slice(0, question), ...branch.slice(question + 2)];
        if (kind === 'delete') ask([...without, added], isAnswerRepeated);
        if (kind === 'edit') ask([...branch.slice(0, question), added], isAnswerRepeated);
        if (kind === 'again') ask(branch.slice(0, question + 1), isAnswerRepeated);
        if (kind === 'continue') ask(branch, isAnswerRepeated);
        if (kind === 'stop') branches.push([...branch.slice(0, -1), assistant('answer')]);
      }
    }),
    { numRuns: 150 },
  );
}, 60_000);

/** Enough to tell the messages of the property apart. */
function shortened(message: ChatMessage): unknown {
  const text = messageText(message);
  return text.length < 100 ? message : `${message.role}: ${text[0]} ${text.length}`;
}

test('a client that sends no more than a model would see goes on where it was', () => {
  const chat = new Chat();
  const shown: ChatMessage[] = [];
  for (let index = 0; index < 120; index += 1) {
    shown.push(user('Go on.'));
    const last = chat.lastTurnId;
    chat.ask(shown.slice(-limits.maxWindowMessages), `answer ${index}`);
    if (index > 0) expect(chat.branch).toMatchObject({ after: last });
    expect(chat.branch?.history ?? []).toEqual([]);
    shown.push(assistant(`answer ${index}`));
  }
});

test('a client that shows less than a model would see is taken at its word', () => {
  const chat = new Chat();
  const shown: ChatMessage[] = [];
  for (let index = 0; index < 12; index += 1) {
    shown.push(user('Go on.'));
    expect(chat.ask(shown.slice(-7), `answer ${index}`)).toEqual([system, ...shown.slice(-7)]);
    shown.push(assistant(`answer ${index}`));
  }
});

test('a history of three exchanges of 50 KB is whole when the conversation begins with it', () => {
  const chat = new Chat();
  chat.end();
  const shown = ['a', 'b', 'c'].flatMap((letter) => [user(letter.repeat(50_000)), assistant('I see.')]);
  const asked = [...shown, user('And now?')];
  expect(chat.ask(asked, 'answer').map(shortened)).toEqual([system, ...asked].map(shortened));
});

test('documents around a question are sent with it, while tools work on it, and not afterwards', () => {
  const chat = new Chat();
  const documents =
    '### Task:\nRespond to the user query using the provided context.\n<context>30 days.</context>\n\nHow long?';
  const calls = [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }];
  const call = { role: 'assistant', content: null, tool_calls: calls } as const;
  const result: ChatMessage = { role: 'tool', tool_call_id: 'a', content: '7' };
  expect(chat.ask([user(documents)], '')).toEqual([system, user(documents)]);
  const worked = [call, result];
  expect(chat.ask([user(documents), ...worked], 'Thirty.')).toEqual([system, user(documents), ...worked]);
  const plain = [user('How long?'), ...worked, assistant('Thirty.'), user('And then?')];
  expect(chat.ask(plain, 'answer')).toEqual([system, ...plain]);
});

test('a prompt that only looks like one with documents is kept as it was', () => {
  const chat = new Chat();
  const own = user('### Task:\nSummarize.\n<context>A long story.</context>\nIn five words.');
  chat.ask([own], 'answer');
  const shown = [own, assistant('answer'), user('Shorter.')];
  expect(chat.ask(shown, 'answer')).toEqual([system, ...shown]);
});

test('a turn whose conversation has changed while it waited stands on what its client told', () => {
  const state = new ConversationState('s', undefined, undefined);
  state.add(turn(0));
  const branch = { after: 't-forgotten', before: history, history: [assistant('There was')] };
  expect(state.canFollow(branch)).toBe(true);
  const told = [...history, assistant('There was')];
  expect(state.placed(branch)).toEqual({ after: null, history: told });
  expect(state.windowWith([user('Go on.')], state.placed(branch))).toEqual([...told, user('Go on.')]);
  // A run that could carry no turns remembers none.
  const bare = new ConversationState('s', undefined, undefined);
  expect(bare.placed({ ...branch, isCut: true })).toEqual({ after: null, history: told, isCut: true });
});

test('a history that was too long to be taken whole is not sent again with every turn', () => {
  const chat = new Chat();
  const shown = [user('a'.repeat(limits.maxHistoryBytes)), assistant('I see.'), user('And now?')];
  chat.ask(shown, 'answer 0');
  expect(chat.branch).toEqual({ after: null, history: [assistant('I see.')], isCut: true });
  for (let index = 0; index < 3; index += 1) {
    shown.push(assistant(`answer ${index}`), user('Go on.'));
    const last = chat.lastTurnId;
    chat.ask(shown, `answer ${index + 1}`);
    expect(chat.branch).toMatchObject({ after: last });
    expect(chat.branch?.history).toBeUndefined();
  }
});

test('a turn follows one that is remembered, or what the conversation was opened with, and never in a circle', () => {
  const state = new ConversationState('s', undefined, undefined, history);
  expect(state.canFollow({ after: 't-9' })).toBe(true);
  expect(state.placed({ after: 't-9' })).toEqual({ after: null });
  expect(state.placed({ after: null, history })).toEqual({ after: null });
  state.add({ ...turn(0), branch: { after: null } });
  expect(state.canFollow({ after: 't-9' })).toBe(false);
  expect(state.canFollow({ after: 't-0' })).toBe(true);
  expect(state.windowWith([], { after: 't-0' })).toHaveLength(3);
  expect(state.windowWith([], { after: null, history: [] })).toEqual([]);
  const circle = { ...turn(3), branch: { after: 't-3' } };
  const carried = { turns: [circle], totals: state.spend(), lastActivityAtMs: 0 };
  expect(new ConversationState('s', undefined, carried).windowWith([])).toHaveLength(2);
});

test('an outline is short, whatever a conversation holds', () => {
  const state = new ConversationState('s', undefined, undefined, Array(4_000).fill(user('a')));
  const messages = Array.from({ length: 500 }, (_, index) => user(`message ${index} ${'b'.repeat(200)}`));
  for (let index = 0; index < 100; index += 1) state.add({ ...turn(index, ''), messages });
  expect(bytesOf(state.outline('open'))).toBeLessThan(64 * 1024);
});

test('the place of a history is found in bounded time, whatever it repeats', () => {
  const turns = Array.from({ length: limits.maxTranscriptTurns }, (_, index) => ({
    turnId: `t-${index}`,
    after: index === 0 ? null : `t-${index - 1}`,
    messages: Array(limits.maxComparedMessages).fill('u1'),
  }));
  const outline = { state: 'open', systemPrompt: null, opening: ['u2'], turns, quotes: [] } as const;
  // Each place but for the last message that is compared.
  const claimed = Array.from({ length: limits.maxMessages }, (_, index) => (index % 39 === 0 ? 'u3' : 'u1'));
  const reads = readsOf({ claimed, outline }, (counted) => findPlace(counted.claimed, counted.outline, 1));
  // As many places as a model sees messages, in as many turns as are remembered, each compared with as many messages.
  const most = limits.maxWindowMessages * limits.maxTranscriptTurns * limits.maxComparedMessages;
  expect(reads).toBeGreaterThan(most / 10);
  expect(reads).toBeLessThan(3 * most);
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

describe('a question that was asked before', () => {
  const minutes = 60_000;
  const question = 'Where is my order?';
  const asked = (atMs: number, changes: Partial<TranscriptTurn> = {}): TranscriptTurn => ({
    ...turn(0, question),
    turnId: 'asked',
    atMs,
    ...changes,
  });
  const askedBefore = (turns: readonly TranscriptTurn[], message: Parameters<ConversationState['askedBefore']>[0]) => {
    const state = new ConversationState('s', undefined, undefined);
    for (const each of turns) state.add(each);
    return state.askedBefore(message, 10 * minutes);
  };
  const again = { content: 'Where is my order' };

  test('is found for five minutes, also behind other turns, on another branch and in a later run', () => {
    expect(askedBefore([asked(5 * minutes)], again)).toBe('asked');
    expect(askedBefore([asked(5 * minutes - 1)], again)).toBeNull();
    const others = [1, 2, 3].map((index) => ({ ...turn(index), atMs: 9 * minutes }));
    expect(askedBefore([asked(9 * minutes), ...others], again)).toBe('asked');
    expect(askedBefore([asked(9 * minutes, { branch: { after: null } }), ...others], again)).toBe('asked');
    const { carried } = new ConversationState('s', undefined, undefined).carry(0);
    const later = new ConversationState('s', undefined, { ...carried!, turns: [asked(9 * minutes)] });
    expect(later.askedBefore(again, 10 * minutes)).toBe('asked');
  });

  test('is the latest of several, and found in a message of parts', () => {
    const twice = [asked(8 * minutes), asked(9 * minutes, { turnId: 'later' })];
    const messages = [{ role: 'user', content: [{ type: 'text', text: question }] }] as const;
    expect(askedBefore(twice, { content: '', messages })).toBe('later');
  });

  test('is none if it was not answered, or if nothing is asked now', () => {
    const { reply } = turn(0);
    expect(askedBefore([asked(9 * minutes, { reply: { ...reply, success: false } })], again)).toBeNull();
    const result: ChatMessage = { role: 'tool', content: question, tool_call_id: 'a' };
    expect(askedBefore([asked(9 * minutes)], { content: '', messages: [result] })).toBeNull();
  });
});
