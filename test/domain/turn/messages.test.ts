import * as fc from 'fast-check';
import { utf8Length, utf8Prefix } from '../../../src/domain/turn/messages';

const anyText = fc.string({ unit: 'binary' });
/** UTF-16 as a browser may send it, halves of characters included. */
const anyUnits = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));
const surrogates = fc.array(fc.integer({ min: 0xd7fe, max: 0xe001 })).map((units) => String.fromCharCode(...units));

test('every text has as many bytes as Node encodes it to, lone surrogates included', () => {
  const check = (text: string) => expect(utf8Length(text)).toBe(Buffer.byteLength(text, 'utf8'));
  fc.assert(fc.property(fc.oneof(anyText, anyUnits, surrogates), check), { numRuns: 500 });
});

test.each([
  ['', 0],
  ['a', 1],
  ['\u007f', 1],
  ['\u0080', 2],
  ['\u07ff', 2],
  ['\u0800', 3],
  ['中', 3],
  ['😀', 4],
  ['\ud83d', 3],
  ['\ude00\ud83d', 6],
])('%j has %d bytes', (text, bytes) => expect(utf8Length(text)).toBe(bytes));

test('the beginning of a text has at most as many bytes as it may, no half characters, and no room for one more', () => {
  fc.assert(
    fc.property(anyText, fc.nat(40), (text, maxBytes) => {
      const prefix = utf8Prefix(text, maxBytes);
      expect(text.startsWith(prefix)).toBe(true);
      expect(utf8Length(prefix)).toBeLessThanOrEqual(maxBytes);
      const next = String.fromCodePoint(
        ...[text.slice(prefix.length).codePointAt(0)].filter((unit) => unit !== undefined),
      );
      if (next !== '') expect(utf8Length(prefix + next)).toBeGreaterThan(maxBytes);
    }),
  );
});
