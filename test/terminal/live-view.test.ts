import { wrapWords } from '../../src/terminal/format';
import { LiveView } from '../../src/terminal/live-view';

describe('a view that is redrawn', () => {
  it('writes each drawing at once, over the last one, and shows the cursor again', () => {
    const written: string[] = [];
    const view = new LiveView({ rows: 4, write: (text) => written.push(text) });
    view.draw(['one', 'two', 'three', 'four']);
    view.draw(['five']);
    view.end();
    expect(written).toHaveLength(3);
    expect(written[0]).toContain('one\u001B[K\ntwo\u001B[K\nthree\u001B[K\n\u001B[J');
    expect(written[0]).not.toContain('four');
    expect(written[1]).toContain('\u001B[3Afive\u001B[K\n\u001B[J');
    // The screen is not cleared, which would flicker.
    expect(written.join('')).not.toContain('\u001B[2J');
    expect(written[2]).toContain('\u001B[?25h');
  });

  it('assumes a usual size for a terminal that does not know its own', () => {
    const written: string[] = [];
    new LiveView({ rows: 0, write: (text) => written.push(text) }).draw(['one', 'two']);
    expect(written[0]).toContain('two');
  });

  it('breaks sentences between words and lets no control characters through', () => {
    expect(wrapWords('one two three\u001B[2J four', 12, '  ', '- ')).toEqual(['- one two', '  three four']);
  });
});
