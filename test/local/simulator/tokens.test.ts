import * as fc from 'fast-check';
import { countPromptTokens, countTokens, truncateToTokens } from '../../../src/local/simulator/tokens';

test('English takes one token per four bytes', () => {
  expect(countTokens('How do I track my order?')).toBe(6);
});

test('Chinese takes one token per character', () => {
  expect(countTokens('我的订单在哪里?')).toBe(8);
});

test('a prompt takes 4 more tokens per message and 3 more in total', () => {
  expect(countPromptTokens(['abcd', 'abcd'])).toBe(13);
});

test('there are never more tokens than UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(countTokens(text)).toBeLessThanOrEqual(Buffer.byteLength(text));
    }),
  );
});

test('a truncated text is a prefix of the text and fits its tokens', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, maxTokens) => {
      const truncated = truncateToTokens(text, maxTokens);
      expect(text.startsWith(truncated)).toBe(true);
      expect(countTokens(truncated)).toBeLessThanOrEqual(maxTokens);
    }),
  );
});
