/**
 * Runs of a prompt that are at least this long are taken out of a provider's words: short enough to catch a quoted
 * phrase (4 Chinese characters), long enough to leave ordinary words alone.
 */
const shortestRunBytes = 12;

/** What must not be seen in a message. */
export interface Confidential {
  readonly apiKeys: readonly string[];
  /** Texts that were sent to the provider. */
  readonly texts: readonly string[];
}

/**
 * The words of a provider made fit for a failure message: keys and everything quoted from the texts taken out, spaces
 * collapsed, at most `maxCharacters` long.
 */
export function redact(message: string, confidential: Confidential, maxCharacters: number): string {
  let clean = message;
  for (const key of confidential.apiKeys) {
    if (key !== '') clean = clean.replaceAll(key, '[key]');
  }
  // Bounded before the search for quotations, which takes time for every character.
  const characters = Array.from(inOneLine(clean.slice(0, maxCharacters * 4)).trim());
  const texts = confidential.texts.map(inOneLine);
  const visible = withoutQuotations(characters, texts);
  const shown = Array.from(visible);
  return shown.length > maxCharacters ? `${shown.slice(0, maxCharacters - 1).join('')}…` : visible;
}

/** Control characters and halves of characters count as spaces: not every database and protocol takes them. */
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
