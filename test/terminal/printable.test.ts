import pc from 'picocolors';
import { printable, printableJson, printableStyled } from '../../src/terminal/printable';

const attacks = {
  'moves the cursor': ['a\u001B[2A\u001B[Kb', 'ab'],
  'sets the title': ['a\u001B]0;owned\u0007b', 'ab'],
  'fills the clipboard': ['a\u001B]52;c;cm0gLXJm\u001B\\b', 'ab'],
  'hides text': ['a\u001B[8mb', 'ab'],
  'uses C1 controls': ['a\u009B2Jb\u0090c', /^ab?c?$/],
  'overwrites the line': ['good\rbad', 'goodbad'],
  'erases characters': ['ab\b\b\u007Fc', 'abc'],
} as const;

test.each(Object.entries(attacks))('a text that %s only shows its words', (_, [text, shown]) => {
  expect(printable(text)).toMatch(shown);
  expect(printable(text)).not.toMatch(/[^\P{Cc}\n\t]/u);
  expect(printableStyled(text)).not.toMatch(/[^\P{Cc}\n\t]/u);
});

test('line breaks, tabs and all scripts stay', () => {
  const text = 'one\n\ttwo 漢字 שלום 👩‍💻\n';
  expect(printable(text)).toBe(text);
  expect(printable('one\r\ntwo')).toBe('one\ntwo');
});

test('our own styles stay', () => {
  const { bold, dim, red, green, yellow, cyan } = pc.createColors(true);
  const styled = [bold, dim, red, green, yellow, cyan].map((style) => style('text')).join('');
  expect(printableStyled(styled)).toBe(styled);
});

test('JSON has no control characters, and means the same', () => {
  const value = { text: '\u001B[2J\u009B2J\u007F漢' };
  const json = printableJson(value);
  expect(json.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(json)).toEqual(value);
});
