import { printableStyled } from './printable';

/** The parts of a terminal that a view needs. */
export interface Terminal {
  readonly rows?: number;
  write(text: string): unknown;
}

const hideCursor = '\u001B[?25l';
const showCursor = '\u001B[?25h';
// The terminal cuts long lines by its own character widths; wrapped lines would break the line count.
const noWrap = '\u001B[?7l';
const wrap = '\u001B[?7h';
const eraseToEndOfLine = '\u001B[K';
const eraseBelow = '\u001B[J';

/** For terminals that do not report their size, or report 0. */
const usualRows = 24;

/** Redraws lines in place, in one write over the old ones, so that nothing flickers. */
export class LiveView {
  private drawnLines = 0;

  constructor(private readonly terminal: Terminal) {}

  draw(lines: readonly string[]): void {
    // The last row stays free: a line feed there would scroll.
    const fitting = lines.slice(0, Math.max(1, (this.terminal.rows || usualRows) - 1));
    const up = this.drawnLines > 0 ? `\u001B[${this.drawnLines}A` : '';
    const text = fitting.map((line) => `${printableStyled(line)}${eraseToEndOfLine}\n`).join('');
    this.terminal.write(`${hideCursor}${noWrap}\r${up}${text}${eraseBelow}${wrap}`);
    this.drawnLines = fitting.length;
  }

  /** Leaves the last drawing in place and restores the cursor. */
  end(): void {
    this.terminal.write(`${wrap}${showCursor}`);
  }
}
