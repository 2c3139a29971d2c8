import type { ChatMessage } from '../../../src/contract/chat';
import { planContinuation, withPrefill } from '../../../src/domain/turn/continuation';

const question: ChatMessage = { role: 'user', content: 'Where is my order?' };
const begun = planContinuation('Your order has left our warehouse and')!;
const last = { role: 'assistant', content: 'Your order' };
const instruction = expect.stringContaining('<<<has left our warehouse and>>>') as string;

test('what was begun comes last, as the assistant’s own, and the system prompt says how it ended', () => {
  const [first, ...others] = withPrefill([{ role: 'system', content: 'Be brief.' }, question], begun);
  expect(first).toEqual({
    role: 'system',
    content: expect.stringMatching(/^Be brief\.\n\nYour last message/) as string,
  });
  expect(others).toEqual([question, last]);
});

test('without a system prompt the instruction is one', () => {
  expect(withPrefill([question], begun)).toEqual([{ role: 'system', content: instruction }, question, last]);
});

test('a developer’s prompt in parts keeps its role and its parts', () => {
  const parts = [{ type: 'text', text: 'Be brief.' }] as const;
  const [first] = withPrefill([{ role: 'developer', content: parts }, question], begun);
  expect(first).toEqual({ role: 'developer', content: [...parts, { type: 'text', text: instruction }] });
});

test('of an answer that had hardly begun there is no last message, but the words to begin with', () => {
  const messages = withPrefill([question], planContinuation('Your')!);
  expect(messages).toEqual([{ role: 'system', content: expect.stringContaining('<<<Your>>>') as string }, question]);
});
