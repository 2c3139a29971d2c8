/** Chat templates add a role and separators to every message, and a turn marker at the end. */
const templateTokensPerMessage = 4;
const templateTokensPerPrompt = 3;

/** A plausible, deterministic count: one token per CJK character and one per four bytes of all other text. */
export function countTokens(text: string): number {
  let cjkCharacters = 0;
  let otherBytes = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x80) otherBytes += 1;
    else if (isCjk(code)) cjkCharacters += 1;
    else otherBytes += code < 0x800 ? 2 : 3;
  }
  return cjkCharacters + Math.ceil(otherBytes / 4);
}

export function countPromptTokens(contents: readonly string[]): number {
  return contents.reduce(
    (sum, content) => sum + countTokens(content) + templateTokensPerMessage,
    templateTokensPerPrompt,
  );
}

/** The longest prefix of the text with at most `maxTokens` tokens. */
export function truncateToTokens(text: string, maxTokens: number): string {
  if (countTokens(text) <= maxTokens) return text;
  let shortest = 0;
  let longest = text.length;
  while (shortest < longest) {
    const middle = Math.ceil((shortest + longest) / 2);
    if (countTokens(text.slice(0, middle)) <= maxTokens) shortest = middle;
    else longest = middle - 1;
  }
  return text.slice(0, shortest);
}

/** Whether a UTF-16 code unit is CJK punctuation, kana, an ideograph, Hangul or a full-width form. */
function isCjk(code: number): boolean {
  return (
    (code >= 0x2e80 && code <= 0x9fff) ||
    (code >= 0xac00 && code <= 0xd7af) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xff00 && code <= 0xffef)
  );
}
