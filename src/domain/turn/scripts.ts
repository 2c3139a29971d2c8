/** The writing systems that a text uses. */
export type Script =
  | 'latin'
  | 'han'
  | 'kana'
  | 'hangul'
  | 'thai'
  | 'cyrillic'
  | 'arabic'
  | 'devanagari'
  | 'hebrew'
  | 'greek'
  | 'bengali'
  | 'tamil'
  | 'lao'
  | 'myanmar'
  | 'khmer';

/**
 * Blocks of letters, ascending. A fixed table instead of `\p{Script=…}`: one pass over the text, and the result does not
 * change with the Unicode version of the Node that replays a workflow.
 */
const blocks: readonly (readonly [first: number, last: number, script: Script])[] = [
  [0x41, 0x5a, 'latin'],
  [0x61, 0x7a, 'latin'],
  [0xc0, 0xd6, 'latin'],
  [0xd8, 0xf6, 'latin'],
  [0xf8, 0x24f, 'latin'],
  [0x370, 0x3ff, 'greek'],
  [0x400, 0x52f, 'cyrillic'],
  [0x5d0, 0x5ea, 'hebrew'],
  [0x620, 0x64a, 'arabic'],
  [0x671, 0x6d3, 'arabic'],
  [0x900, 0x963, 'devanagari'],
  [0x980, 0x9e3, 'bengali'],
  [0xb82, 0xbcd, 'tamil'],
  [0xe01, 0xe4e, 'thai'],
  [0xe81, 0xecd, 'lao'],
  [0x1000, 0x109f, 'myanmar'],
  [0x1100, 0x11ff, 'hangul'],
  [0x1780, 0x17d3, 'khmer'],
  [0x1e00, 0x1eff, 'latin'],
  [0x3041, 0x3096, 'kana'],
  [0x30a1, 0x30fa, 'kana'],
  [0x3400, 0x9fff, 'han'],
  [0xac00, 0xd7a3, 'hangul'],
  [0xf900, 0xfaff, 'han'],
  [0xff66, 0xff9d, 'kana'],
  [0x20000, 0x3ffff, 'han'],
];

function scriptOf(codePoint: number): Script | null {
  for (const [first, last, script] of blocks) {
    if (codePoint < first) return null;
    if (codePoint <= last) return script;
  }
  return null;
}

/** The letters of a text by script; scripts without any are absent. */
export type Letters = ReadonlyMap<Script, number>;

export function countLetters(text: string): Letters {
  const letters = new Map<Script, number>();
  for (let index = 0; index < text.length; index += 1) {
    const codePoint = text.codePointAt(index) ?? 0;
    if (codePoint > 0xffff) index += 1;
    const script = scriptOf(codePoint);
    if (script !== null) letters.set(script, (letters.get(script) ?? 0) + 1);
  }
  return letters;
}

/** What a letter says compared with one of an alphabet: a Han character is a word, of which most have two. */
const weights: Readonly<Partial<Record<Script, number>>> = { han: 4, kana: 3, hangul: 3 };

/** Most Japanese has more Kana than Han; Chinese that quotes a Japanese name has far less. */
const maxHanPerKana = 4;

/** Scripts by how much of the text they say, most first. Japanese is Kana, however much Han it has. */
export function weighScripts(letters: Letters): readonly (readonly [script: Script, share: number])[] {
  const said = new Map<Script, number>();
  const isJapanese = (letters.get('kana') ?? 0) * maxHanPerKana >= (letters.get('han') ?? 0);
  let total = 0;
  for (const [script, count] of letters) {
    const weight = count * (weights[script] ?? 1);
    const spoken = script === 'han' && isJapanese ? 'kana' : script;
    total += weight;
    said.set(spoken, (said.get(spoken) ?? 0) + weight);
  }
  return [...said]
    .map(([script, weight]) => [script, weight / total] as const)
    .toSorted(([, one], [, other]) => other - one);
}
