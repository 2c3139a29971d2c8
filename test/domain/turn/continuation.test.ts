import * as fc from 'fast-check';
import { AnswerSoFar } from '../../../src/domain/stream/answer-so-far';
import { Continuation, type ContinuationPlan, planContinuation } from '../../../src/domain/turn/continuation';

interface Heard {
  readonly content: string;
  /** What a caller has been sent who had been sent `begun` before. */
  readonly sent: string;
  /** Where the first piece stands. */
  readonly firstAt: number | undefined;
  /** What the model said is neither the rest nor all of the answer. */
  readonly isUnrelated: boolean;
}

function planFor(begun: string): ContinuationPlan {
  const plan = planContinuation(begun);
  if (plan === null) throw new Error('It cannot be continued.');
  return plan;
}

function hear(begun: string, pieces: readonly string[]): Heard {
  const caller = new AnswerSoFar();
  let sent = caller.take({ attempt: 1, at: 0, text: begun });
  const continuation = new Continuation(planContinuation(begun));
  const placed = pieces.map((text) => continuation.take(text));
  const { content, rest } = continuation.finish();
  const shown = [...placed, rest].filter((each) => each !== null);
  for (const piece of shown) sent += caller.take({ attempt: 2, ...piece });
  expect(continuation.takenLength).toBe(pieces.join('').length);
  return { content, sent, firstAt: shown[0]?.at, isUnrelated: continuation.isUnrelated };
}

const begun = 'Your order has left our ware';
const wholeAnswer = 'Your order has left our warehouse today.';
const joined = { content: wholeAnswer, sent: wholeAnswer, firstAt: 0, isUnrelated: false };
const unrelated = { content: '', sent: begun, firstAt: undefined, isUnrelated: true };

test.each([
  [begun, 'Your', ' order has left our ware'],
  ['Your order has left our warehouse and ', 'Your order', ' has left our warehouse and '],
  ['您的订单已从仓库发出,预计2至3天内送达', '您的订单已从仓库发出', ',预计2至3天内送达'],
  ['The tracking link is in your😀😀😀😀😀😀😀', 'The tracking link is in', ' your😀😀😀😀😀😀😀'],
  ['Your order', '', 'Your order'],
  [' \n', '', ' \n'],
])('the end of %j is held back, from a word or character on', (partial, prefill, heldBack) => {
  expect(planContinuation(partial)).toEqual({ partial, prefill, heldBack });
});

test('an answer that ends as it begins cannot be continued: that would look like a repetition', () => {
  expect(planContinuation('ha ha ha ha ha ha ha ha ha ha ha ha ha')).toBeNull();
});

test('a text that begins with what was held back goes on from there', () => {
  expect(hear(begun, [' order has', ' left our ware', 'house', ' today.'])).toEqual(joined);
  expect(hear(begun, ['order has left our warehouse today.'])).toEqual(joined);
  expect(hear(begun, ['\n\norder has left our warehouse today.'])).toEqual(joined);
});

test('a text that begins with more than a thousand line breaks is unrelated, and only then', () => {
  expect(hear(begun, ['\n'.repeat(1_000), 'order has left our warehouse today.'])).toEqual(joined);
  const continuation = new Continuation(planFor(begun));
  for (let count = 0; count <= begun.length + 1_024; count += 1) {
    expect(continuation.isUnrelated).toBe(false);
    continuation.take('\n');
  }
  expect(continuation.isUnrelated).toBe(true);
});

test('a text that says it all again is the answer, and what was begun is not sent twice', () => {
  expect(hear(begun, ['Your order', ' has left our warehouse', ' today.'])).toEqual(joined);
  expect(hear(begun, [`\n\n${wholeAnswer}`]).content).toBe(wholeAnswer);
});

test.each([
  ['says another answer', ['Let me start again. ', wholeAnswer]],
  ['begins alike and then says something else', ['Your order has', ' been sent.']],
  ['goes on without what was held back', ['house today.']],
  ['says nothing', []],
  ['stops amid its repetition', ['Your order has left']],
  ['stops amid what was held back', [' order has left']],
])('a text that %s is not joined to what was begun, and nobody gets any of it', (_what, pieces) => {
  expect(hear(begun, pieces)).toEqual(unrelated);
});

test('an unrelated text is known as such at the first character that differs', () => {
  const continuation = new Continuation(planFor(begun));
  continuation.take(' order h');
  expect(continuation.isUnrelated).toBe(false);
  continuation.take('o');
  expect(continuation.isUnrelated).toBe(true);
  expect(continuation.take('w are you?')).toBeNull();
});

test('nothing behind what was held back leaves what was begun as the answer', () => {
  expect(hear(begun, [' order has left our ware'])).toEqual({ ...joined, content: begun, sent: begun });
});

test('of an answer that had hardly begun any text is a whole one, also if it differs', () => {
  expect(hear('Your', ['Your order has left.'])).toMatchObject({
    content: 'Your order has left.',
    sent: 'Your order has left.',
  });
  expect(hear('Your', ['It has left.'])).toMatchObject({ content: 'It has left.', sent: 'Your', isUnrelated: false });
  expect(hear('Your', ['You'])).toMatchObject({ content: 'You', sent: 'Your' });
});

const someText = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '订', '😀'), maxLength: 60 });
const somePieces = fc.array(someText, { maxLength: 6 });

test('with nothing begun every text stands where it comes, at once', () => {
  fc.assert(
    fc.property(somePieces, (pieces) => {
      const continuation = new Continuation(null);
      let length = 0;
      for (const text of pieces) {
        expect(continuation.take(text)).toEqual(text === '' ? null : { at: length, text });
        length += text.length;
      }
      expect(continuation.finish()).toEqual({ content: pieces.join(''), rest: null });
    }),
  );
});

test('how a text is cut into pieces changes nothing', () => {
  fc.assert(
    fc.property(someText, somePieces, (before, pieces) => {
      const { firstAt: _first, ...heard } = hear(before, pieces);
      expect(hear(before, [pieces.join('')])).toMatchObject(heard);
    }),
  );
});

test('the pieces join to the whole answer', () => {
  fc.assert(
    fc.property(someText, somePieces, (before, pieces) => {
      const continuation = new Continuation(planContinuation(before));
      const placed = pieces.map((text) => continuation.take(text));
      const { content, rest } = continuation.finish();
      const shown = [...placed, rest].filter((each) => each !== null);
      let end = 0;
      for (const { at, text } of shown) {
        expect(at).toBe(end);
        expect(content.slice(at, at + text.length)).toBe(text);
        end += text.length;
      }
      expect(end).toBe(content.length);
    }),
  );
});

test('whoever was sent what was begun gets the whole answer, unless another was begun', () => {
  fc.assert(
    fc.property(someText, somePieces, (before, pieces) => {
      const { content, sent } = hear(before, pieces);
      if (content.startsWith(before)) expect(sent).toBe(content);
      else expect(sent).toBe(before);
    }),
  );
});

const longText = fc
  .string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '订', '😀'), minLength: 50, maxLength: 80 })
  .map((text) => `Z${text}`);

test('a text that begins with what was held back is joined, however it is cut, and nothing else but a repetition', () => {
  fc.assert(
    fc.property(longText, someText, someText, (before, rest, other) => {
      const plan = planContinuation(before);
      fc.pre(plan !== null && plan.prefill !== '');
      const { prefill, heldBack } = plan;
      expect(prefill + heldBack).toBe(before);
      expect(hear(before, Array.from(heldBack + rest))).toMatchObject({ content: before + rest, isUnrelated: false });
      const heard = hear(before, [other]);
      const isJoined = other.trimStart().startsWith(heldBack.trimStart());
      const isRepeated = other.startsWith(before) || other.trimStart().startsWith(before);
      expect(heard.isUnrelated).toBe(!isJoined && !isRepeated);
    }),
  );
});

test('a model that says it all again is found out, wherever it broke off', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.nat(60), (whole, cut) => {
      const characters = Array.from(whole);
      const before = characters.slice(0, cut % (characters.length + 1)).join('');
      fc.pre(!/^\s/.test(whole));
      expect(hear(before, characters).content).toBe(whole);
    }),
  );
});
