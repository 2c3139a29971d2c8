/** Longer messages are compared by their beginning. */
const readCodeUnits = 1_000;

/** "Yes", "go on" and "thank you" are said again without being asked again. A Han character counts as a word. */
const minTokens = 4;

/** How much of the longer question the shorter one must be: the rest is "please", or "you did not answer". */
const minShare = 0.7;

/**
 * Whether a question says nearly the same as an earlier one: the same words in the same order, but for typing errors and
 * a few words more in one of them. A word that stands in for another, or another number, makes it another question.
 */
export function isAskedAgain(question: string, earlier: string): boolean {
  const [shorter, longer] = [tokensOf(question), tokensOf(earlier)].toSorted((one, other) => one.length - other.length);
  if (shorter === undefined || longer === undefined || shorter.length < minTokens) return false;
  if (shorter.length < longer.length * minShare) return false;
  if (numbersIn(shorter) !== numbersIn(longer)) return false;
  let at = 0;
  for (const word of longer) {
    const next = shorter[at];
    if (next !== undefined && areNear(word, next)) at += 1;
  }
  return at === shorter.length;
}

/** Scripts that do not part words. */
const unparted =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}';
const tokens = new RegExp(`[${unparted}]\\p{M}*|\\p{N}+|(?:(?![${unparted}])[\\p{L}\\p{M}])+`, 'gu');

/** Words, and single characters of scripts that do not part them. */
function tokensOf(text: string): readonly string[] {
  return text.slice(0, readCodeUnits).toLowerCase().normalize('NFC').replaceAll(/['’]/g, '').match(tokens) ?? [];
}

function numbersIn(words: readonly string[]): string {
  return words.filter((word) => /^\p{N}/u.test(word)).join(' ');
}

/** Words of so many letters are the same with one letter wrong, too many or missing, or two neighbours exchanged. */
const minTypedLetters = 5;

function areNear(one: string, other: string): boolean {
  if (one === other) return true;
  const [short, long] = one.length <= other.length ? [one, other] : [other, one];
  if (long.length < minTypedLetters || long.length - short.length > 1 || one[0] !== other[0]) return false;
  // A syllable of Hangul is more than a letter.
  if (/[가-힣]/.test(one)) return false;
  let start = 0;
  while (start < short.length && short[start] === long[start]) start += 1;
  const rest = long.slice(start);
  const shortRest = short.slice(start);
  if (short.length < long.length) return rest.slice(1) === shortRest;
  return (
    rest.slice(1) === shortRest.slice(1) ||
    (rest[0] === shortRest[1] && rest[1] === shortRest[0] && rest.slice(2) === shortRest.slice(2))
  );
}
