/**
 * Quotations from a prompt that are at least this long are removed from a provider's message: short enough to catch a
 * quoted phrase (4 Chinese characters), long enough to leave ordinary words alone.
 */
const shortestRunBytes = 12;

/** What must not appear in a message. */
export interface Confidential {
  readonly apiKeys: readonly string[];
  /** Texts that were sent to the provider. */
  readonly texts: readonly string[];
}

/**
 * Prepares a provider's message for a failure message: removes keys and quotations from the texts, collapses whitespace and
 * truncates to `maxCharacters`.
 */
export function redact(message: string, confidential: Confidential, maxCharacters: number): string {
  let clean = message;
  for (const key of confidential.apiKeys) {
    if (key !== '') clean = clean.replaceAll(key, '[key]');
  }
  // Truncated before the search for quotations, whose cost grows with every character.
  const characters = Array.from(inOneLine(clean.slice(0, maxCharacters * 4)).trim());
  const texts = confidential.texts.map(inOneLine);
  const visible = withoutQuotations(characters, texts);
  const shown = Array.from(visible);
  return shown.length > maxCharacters ? `${shown.slice(0, maxCharacters - 1).join('')}…` : visible;
}

/** Control characters and lone surrogates count as whitespace: some databases and protocols reject them. */
function inOneLine(text: string): string {
  return text.replaceAll(/[\s\p{Cc}\p{Cs}]+/gu, ' ');
}

function withoutQuotations(characters: readonly string[], texts: readonly string[]): string {
  const hidden = characters.map(() => false);
  for (let start = 0; start < characters.length; start += 1) {
    const run = shortestRunFrom(characters, start);
    if (run === undefined) break;
    if (texts.some((text) => text.includes(run.text))) hidden.fill(true, start, start + run.length);
  }
  let visible = '';
  characters.forEach((character, index) => {
    if (!hidden[index]) visible += character;
    else if (index === 0 || !hidden[index - 1]) visible += '[…]';
  });
  return visible;
}

function shortestRunFrom(
  characters: readonly string[],
  start: number,
): { readonly text: string; readonly length: number } | undefined {
  let text = '';
  let bytes = 0;
  for (let index = start; index < characters.length; index += 1) {
    const character = characters[index] ?? '';
    text += character;
    bytes += Buffer.byteLength(character);
    if (bytes >= shortestRunBytes) return { text, length: index - start + 1 };
  }
  return undefined;
}
