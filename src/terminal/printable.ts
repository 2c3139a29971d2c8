import { stripVTControlCharacters } from 'node:util';

/** Control characters, except for line breaks and tabs. */
const controls = /[^\P{Cc}\n\t]/gu;

const escape = String.fromCodePoint(0x1b);
/** The styles that this program sets itself, with picocolors: bold, dim, and text colours. */
const ownStyles = new RegExp(`(${escape}\\[(?:0|1|2|22|3[0-79]|9[0-7])m)`);

/**
 * Makes untrusted text (from a model, provider, caller or operator) safe for a terminal: removes everything that could move
 * the cursor, change the title or the clipboard, or hide text.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text.replaceAll('\r\n', '\n')).replace(controls, '');
}

/** The same for this program's own output: keeps its styles. */
export function printableStyled(text: string): string {
  return text
    .split(ownStyles)
    .map((part, index) => (index % 2 === 1 ? part : printable(part)))
    .join('');
}

/** JSON escapes all other control characters itself. */
export function printableJson(value: unknown): string {
  const json = JSON.stringify(value, null, 2);
  return json.replace(/[\u{7f}-\u{9f}]/gu, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
