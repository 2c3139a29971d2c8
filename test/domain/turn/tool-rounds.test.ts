import * as fc from 'fast-check';
import type { ChatMessage } from '../../../src/contract/chat';
import { completeToolRounds, orphanedCallId } from '../../../src/domain/turn/tool-rounds';

const user: ChatMessage = { role: 'user', content: 'Where is my order?' };
const call = (...ids: readonly string[]): ChatMessage => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'find', arguments: '{}' } })),
});
const result = (id: string): ChatMessage => ({ role: 'tool', content: 'found', tool_call_id: id });

test('a call with its result stays, and so do several', () => {
  const messages = [user, call('a', 'b'), result('b'), result('a'), user];
  expect(completeToolRounds(messages)).toEqual(messages);
});

test('a call that nobody answered goes, and what was said beside it stays', () => {
  expect(completeToolRounds([user, call('a'), user])).toEqual([user, user]);
  const said = { ...call('a'), content: 'Let me look.' };
  expect(completeToolRounds([user, said, user])).toEqual([user, { role: 'assistant', content: 'Let me look.' }, user]);
});

test('of several calls those that were answered stay', () => {
  expect(completeToolRounds([user, call('a', 'b'), result('b')])).toEqual([user, call('b'), result('b')]);
});

test('a result whose call is not before it goes', () => {
  expect(completeToolRounds([result('a'), user, result('b'), call('c'), result('a'), result('c')])).toEqual([
    user,
    call('c'),
    result('c'),
  ]);
});

test('calls that come again with their results are there once, beside what was said with them', () => {
  const said = { ...call('a', 'b'), content: 'Let me look.' };
  const both = [user, said, result('a'), result('b')];
  expect(completeToolRounds([user, said, call('a', 'b'), result('a'), result('b')])).toEqual(both);
  const other = [user, call('a'), call('c'), result('c')];
  expect(completeToolRounds(other)).toEqual([user, call('c'), result('c')]);
});

test('a client may send null for no calls', () => {
  const said = { role: 'assistant', content: 'It is on its way.', tool_calls: null } as unknown as ChatMessage;
  expect(completeToolRounds([user, said, user])).toMatchObject([user, { content: 'It is on its way.' }, user]);
});

test.each<[string, ChatMessage[], ChatMessage[], string | null]>([
  ['a result alone', [user], [result('a')], 'a'],
  ['a result of another call', [user, call('b')], [result('a')], 'a'],
  ['a result of a call that is there', [user, call('a')], [result('a')], null],
  ['a result that brings its call', [user], [call('a'), result('a')], null],
  ['a lost result with a question behind it', [user], [result('a'), user], null],
])('the lost call of %s is told, where nothing would be sent', (_, before, added, lost) => {
  expect(orphanedCallId(before, added)).toBe(lost);
});

test('whatever comes, every call has its result and every result its call, and nothing else is lost', () => {
  const id = fc.constantFrom('a', 'b', 'c');
  const message = fc.oneof(
    fc.constant(user),
    fc.constant<ChatMessage>({ role: 'assistant', content: 'It is on its way.' }),
    fc.uniqueArray(id, { minLength: 1 }).map((ids) => call(...ids)),
    id.map(result),
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
      const complete = completeToolRounds(messages);
      let open = new Set<string>();
      for (const each of complete) {
        if (each.role === 'tool') {
          expect(calledIn(complete, each)).toBe(true);
          open.delete(each.tool_call_id ?? '');
        } else {
          expect([...open]).toEqual([]);
          open = new Set(each.tool_calls?.map((one) => one.id));
        }
      }
      expect([...open]).toEqual([]);
      const plain = (all: readonly ChatMessage[]) => all.filter((each) => each.role !== 'tool' && !each.tool_calls);
      expect(plain(complete)).toEqual(plain(messages));
      expect(completeToolRounds(complete)).toEqual(complete);
    }),
  );
});

/** Whether the last message before a result that is none itself holds its call. */
function calledIn(messages: readonly ChatMessage[], one: ChatMessage): boolean {
  const before = messages.slice(0, messages.indexOf(one)).findLast(({ role }) => role !== 'tool');
  return before?.tool_calls?.some(({ id }) => id === one.tool_call_id) ?? false;
}
