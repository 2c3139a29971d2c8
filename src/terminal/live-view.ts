/** What a view needs of a terminal. */
export interface Terminal {
  readonly rows?: number;
  write(text: string): unknown;
}

const hideCursor = '\u001B[?25l';
const showCursor = '\u001B[?25h';
// The terminal cuts lines that are too long, by its own idea of each character's width: wrapped ones would be more than
// were counted.
const noWrap = '\u001B[?7l';
const wrap = '\u001B[?7h';
const eraseToEndOfLine = '\u001B[K';
const eraseBelow = '\u001B[J';

/** Where a terminal does not say, or says 0, as some do. */
const usualRows = 24;

/** Lines that are drawn over again in place: each time in one write, over what is there, so that nothing flickers. */
export class LiveView {
  private drawnLines = 0;

  constructor(private readonly terminal: Terminal) {}

  draw(lines: readonly string[]): void {
    // The last row stays free: a line feed there would scroll.
    const fitting = lines.slice(0, Math.max(1, (this.terminal.rows || usualRows) - 1));
    const up = this.drawnLines > 0 ? `\u001B[${this.drawnLines}A` : '';
    const text = fitting.map((line) => `${line}${eraseToEndOfLine}\n`).join('');
    this.terminal.write(`${hideCursor}${noWrap}\r${up}${text}${eraseBelow}${wrap}`);
    this.drawnLines = fitting.length;
  }

  /** Leaves the last drawing where it is and gives the cursor back. */
  end(): void {
    this.terminal.write(`${wrap}${showCursor}`);
  }
}
