import * as fc from 'fast-check';
import { AnswerSoFar } from '../../../src/domain/stream/answer-so-far';
import { Continuation } from '../../../src/domain/turn/continuation';

interface Heard {
  readonly content: string;
  /** What a caller has been sent who had been sent `begun` before. */
  readonly sent: string;
  /** Where the first piece stands. */
  readonly firstAt: number | undefined;
}

function hear(begun: string, pieces: readonly string[]): Heard {
  const caller = new AnswerSoFar();
  let sent = caller.take({ attempt: 1, at: 0, text: begun });
  const continuation = new Continuation(begun);
  const placed = pieces.map((text) => continuation.take(text));
  const { content, rest } = continuation.finish();
  const shown = [...placed, rest].filter((each) => each !== null);
  for (const piece of shown) sent += caller.take({ attempt: 2, ...piece });
  expect(continuation.takenLength).toBe(pieces.join('').length);
  return { content, sent, firstAt: shown[0]?.at };
}

const begun = 'Your order has left our ware';

test('a text that goes on from what was begun is put behind it', () => {
  expect(hear(begun, ['house', ' today.'])).toEqual({
    content: 'Your order has left our warehouse today.',
    sent: 'Your order has left our warehouse today.',
    firstAt: 0,
  });
});

test('a text that says it all again is the answer, and what was begun is not sent twice', () => {
  const whole = 'Your order has left our warehouse today.';
  expect(hear(begun, ['Your order', ' has left our warehouse', ' today.'])).toEqual({
    content: whole,
    sent: whole,
    firstAt: 0,
  });
  expect(hear(begun, [`\n\n${whole}`]).content).toBe(whole);
});

test('a text that begins alike and then says something else is an answer of its own', () => {
  expect(hear(begun, ['Your order has', ' been sent.'])).toEqual({
    content: 'Your order has been sent.',
    sent: begun,
    firstAt: 0,
  });
});

test('a few letters alike are chance', () => {
  expect(hear('The parcel is on its way. ', ['The rest follows.']).content).toBe(
    'The parcel is on its way. The rest follows.',
  );
});

test('four Chinese characters alike are no chance', () => {
  expect(hear('您的订单已从仓库发出', ['您的订单还在仓库']).content).toBe('您的订单还在仓库');
});

test('nothing more to say leaves what was begun as the answer', () => {
  expect(hear(begun, [])).toEqual({ content: begun, sent: begun, firstAt: 0 });
});

test('an answer that stops amid its repetition is what it says', () => {
  expect(hear(begun, ['Your order has left']).content).toBe('Your order has left');
});

const someText = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '订', '😀'), maxLength: 40 });
const somePieces = fc.array(someText, { maxLength: 6 });

test('with nothing begun every text stands where it comes, at once', () => {
  fc.assert(
    fc.property(somePieces, (pieces) => {
      const continuation = new Continuation('');
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
      const { content, sent } = hear(before, pieces);
      const atOnce = hear(before, [pieces.join('')]);
      expect({ content, sent }).toEqual({ content: atOnce.content, sent: atOnce.sent });
    }),
  );
});

test('the pieces join to the whole answer', () => {
  fc.assert(
    fc.property(someText, somePieces, (before, pieces) => {
      const continuation = new Continuation(before);
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
