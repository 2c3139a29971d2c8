import * as fc from 'fast-check';
import {
  advance,
  answerStart,
  formatPosition,
  isPositionIn,
  parsePosition,
} from '../../../src/domain/stream/answer-so-far';

const someText = fc.string({ unit: 'binary', maxLength: 40 });

test('a position does not depend on how the text before it was split', () => {
  fc.assert(
    fc.property(fc.array(someText), (pieces) => {
      expect(pieces.reduce(advance, answerStart)).toEqual(advance(answerStart, pieces.join('')));
    }),
  );
});

test('a position survives writing and reading', () => {
  fc.assert(
    fc.property(someText, (text) => {
      const position = advance(answerStart, text);
      expect(parsePosition(formatPosition(position))).toEqual(position);
    }),
  );
});

test.each(['', '7', '7-', '-1-811c9dc5', '7-811C9DC5', '7-811c9dc', '1.5-811c9dc5', ' 7-811c9dc5', '1e3-811c9dc5'])(
  '%j is not a position',
  (text) => {
    expect(parsePosition(text)).toBeNull();
  },
);

test('a position is valid only in answers that begin with the text before it', () => {
  fc.assert(
    fc.property(someText, someText, someText, (before, rest, other) => {
      const position = advance(answerStart, before);
      expect(isPositionIn(before + rest, position)).toBe(true);
      expect(isPositionIn(other, position)).toBe(other.startsWith(before));
    }),
    { numRuns: 1_000 },
  );
});

test('answers that differ in one place share no position after it', () => {
  fc.assert(
    fc.property(
      someText,
      someText,
      fc.constantFrom('a', 'b', '订', 'é'),
      fc.constantFrom('x', 'y', '单'),
      (before, rest, one, other) => {
        const position = advance(answerStart, before + one + rest);
        expect(isPositionIn(before + other + rest, position)).toBe(false);
      },
    ),
    { numRuns: 1_000 },
  );
});
