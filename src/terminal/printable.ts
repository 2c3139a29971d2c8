import { stripVTControlCharacters } from 'node:util';

/** What a terminal would obey instead of showing it, but for line breaks and tabs. */
const controls = /[^\P{Cc}\n\t]/gu;

const escape = String.fromCodePoint(0x1b);
/** The styles that this program sets itself, by picocolors: bold, dim, and the colours of text. */
const ownStyles = new RegExp(`(${escape}\\[(?:0|1|2|22|3[0-79]|9[0-7])m)`);

/**
 * A text of somebody else (a model, a provider, a caller, an operator) for a terminal, without anything that could move the
 * cursor, change the title or the clipboard, or hide what is there.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text.replaceAll('\r\n', '\n')).replace(controls, '');
}

/** The same for a text of this program, which has styles of its own. */
export function printableStyled(text: string): string {
  return text
    .split(ownStyles)
    .map((part, index) => (index % 2 === 1 ? part : printable(part)))
    .join('');
}

/** JSON escapes all that terminals obey but these. */
export function printableJson(value: unknown): string {
  const json = JSON.stringify(value, null, 2);
  return json.replace(/[\u{7f}-\u{9f}]/gu, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
