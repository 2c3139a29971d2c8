import type { ChatReply } from '../../src/contract/chat';
import { cutLine, footer, wrapWords } from '../../src/terminal/format';
import { LiveView } from '../../src/terminal/live-view';

/** The terminal columns of a text in which every non-Latin character is wide. */
function columnsOf(text: string): number {
  return Array.from(text).reduce((columns, character) => columns + (character > '\u{2E80}' ? 2 : 1), 0);
}

const wideTexts = {
  Japanese: 'エラーが続いたため、この展開は停止しました。担当者が原因を調べています。',
  Chinese: '金丝雀版本的错误率过高，已经全部回滚。请检查日志后再继续。',
  mixed: 'Paused by 田中さん: エラー率 5% を超えた, look at the dashboard 🚀🚀🚀 before you resume',
};

describe('wrapping a text', () => {
  test.each(Object.entries(wideTexts))('keeps %s within the width and loses nothing', (_, text) => {
    for (const width of [20, 21, 40]) {
      const lines = wrapWords(text, width, '    ', '  ! ');
      for (const line of lines) expect(columnsOf(line)).toBeLessThanOrEqual(width);
      const [first = '', ...rest] = lines;
      expect(first.startsWith('  ! ')).toBe(true);
      for (const line of rest) expect(line.startsWith('    ')).toBe(true);
      const words = lines.map((line) => line.slice(4)).join('');
      expect(words.replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
    }
  });

  test('fills lines of wide characters to the last column', () => {
    expect(wrapWords('漢'.repeat(30), 22, '  ')).toEqual(['', '', ''].map(() => `  ${'漢'.repeat(10)}`));
  });

  test('leaves it in one line if there is no width', () => {
    expect(wrapWords('one two '.repeat(100).trim(), Number.POSITIVE_INFINITY, '  ')).toHaveLength(1);
  });
});

describe('truncating a line', () => {
  test('keeps what fits', () => {
    expect(cutLine('12345', 5)).toBe('12345');
    expect(cutLine('漢字', 4)).toBe('漢字');
    expect(cutLine('12345', Number.POSITIVE_INFINITY)).toBe('12345');
  });

  test('counts wide characters as two columns', () => {
    expect(cutLine('123456', 5)).toBe('1234…');
    expect(cutLine('漢字漢字', 7)).toBe('漢字漢…');
    expect(cutLine('漢字漢字', 6)).toBe('漢字…');
  });
});

test('a view of wide characters is redrawn over exactly the lines that were drawn', () => {
  const written: string[] = [];
  const view = new LiveView({ rows: 24, write: (text) => written.push(text) });
  const lines = wrapWords(wideTexts.Japanese, 20, '  ');
  view.draw(lines);
  view.draw(['done']);
  expect(lines.length).toBeGreaterThan(3);
  expect(written[1]).toContain(`\u001B[${lines.length}Adone`);
});

test('the footer of an answer marks what seems wrong with it, and says nothing of a fine one', () => {
  const reply = { provider: 'holysheep-primary', model: 'm', attempts: 1, latency_ms: 5, tokens_used: 7, cost_usd: 0 };
  const fine = { ...reply, unconfirmed_usd: 0, error: null } as ChatReply;
  expect(footer(fine)).toBe('holysheep-primary (m) · 1 attempt · 5 ms · 7 tokens · $0.000000');
  expect(footer({ ...fine, flags: ['truncated', 'wrong-language'] })).toBe(
    `${footer(fine)} · ⚑ truncated, wrong-language`,
  );
});
