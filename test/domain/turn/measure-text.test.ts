import { measurePrompt, measureText } from '../../../src/domain/turn/measure-text';

const scripts = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]$/u;
// Tone marks, and characters framed by a circle or a square: no text is made of them.
const framedOrTone = /^(302[ef]|3[23]..|1f200)$/;

describe('measureText', () => {
  it.each([
    ['an empty text', '', 0, 0],
    ['English', 'Where is my order?', 18, 0],
    ['Chinese', '我的订单在哪里', 7, 7],
    ['Chinese with its punctuation, which is not counted as CJK', '你好，世界。', 6, 4],
    ['Japanese in all its scripts', 'サーバーの電源', 7, 7],
    ['half-width Katakana', 'ｻｰﾊﾞｰ', 5, 5],
    ['Korean', '안녕하세요', 5, 5],
    ['Han outside the basic plane, one character each', '𠮷野家', 3, 3],
    ['an emoji, one character and no CJK', 'ok 👍', 4, 0],
    ['Thai and Vietnamese, no CJK', 'สวัสดี xin chào', 15, 0],
    ['a mixed text', 'order 订单 42', 11, 2],
  ])('counts %s', (_, text, characters, cjkCharacters) => {
    expect(measureText(text)).toEqual({ characters, cjkCharacters });
  });

  it('knows every character that Unicode assigns to Han, Kana or Hangul', () => {
    const missed: string[] = [];
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      const character = String.fromCodePoint(codePoint);
      if (scripts.test(character) && measureText(character).cjkCharacters !== 1) missed.push(codePoint.toString(16));
    }
    expect(missed.filter((hex) => !framedOrTone.test(hex))).toEqual([]);
  });

  it('takes no letter of another script for CJK', () => {
    const wrong: string[] = [];
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      const character = String.fromCodePoint(codePoint);
      const isForeignLetter =
        /^\p{L}$/u.test(character) && !scripts.test(character) && !/^\p{Script=Common}$/u.test(character);
      if (isForeignLetter && measureText(character).cjkCharacters > 0) wrong.push(codePoint.toString(16));
    }
    // Tangut, Nushu and Khitan iteration marks share a block with Han ones.
    expect(wrong.filter((hex) => !hex.startsWith('16fe'))).toEqual([]);
  });
});

describe('measurePrompt', () => {
  it('adds up bytes, characters and messages', () => {
    const prompt = measurePrompt([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: '订单 42 👍' },
    ]);
    expect(prompt).toEqual({ bytes: 9 + 14, characters: 9 + 7, cjkCharacters: 2, messages: 2 });
  });

  it('counts pictures, whose tokens depend on the model', () => {
    const picture = { type: 'image_url', image_url: { url: 'https://example.com/shoe.png', detail: 'high' } } as const;
    expect(measurePrompt([{ role: 'user', content: [picture] }]).images).toBe(1);
    expect(measurePrompt([{ role: 'user', content: [picture, picture] }]).images).toBe(2);
  });

  it('leaves room for what providers say of tools by themselves', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const bytesWith = (modelOptions: object) => measurePrompt([], { ...modelOptions }).bytes;
    expect(bytesWith({ tools })).toBe(JSON.stringify({ tools }).length + 1_000);
    expect(bytesWith({ stop: ['x'] })).toBe(JSON.stringify({ stop: ['x'] }).length);
  });

  it('measures no messages as nothing', () => {
    expect(measurePrompt([])).toEqual({ bytes: 0, characters: 0, cjkCharacters: 0, messages: 0 });
  });
});
