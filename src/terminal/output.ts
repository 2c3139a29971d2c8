import Table from 'cli-table3';
import pc from 'picocolors';
import { printableJson, printableStyled } from './printable';

/** For scripts: the only thing on standard output. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${printableJson(value)}\n`);
}

/** Control characters in the lines are removed, except for our own styles. */
export function writeLines(lines: readonly string[]): void {
  process.stdout.write(`${printableStyled(lines.join('\n'))}\n`);
}

interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

const borderParts =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid';
const noBorders = { ...Object.fromEntries(borderParts.split(' ').map((part) => [part, ''])), middle: '  ' };

/** A table with borders for a terminal, and columns of plain text for a pipe. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  isTerminal = process.stdout.isTTY,
): string {
  const table = new Table({
    head: columns.map(({ title }) => (isTerminal ? pc.bold(title) : title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    style: { head: [], border: [], ...(!isTerminal && { 'padding-left': 0, 'padding-right': 0 }) },
    ...(!isTerminal && { chars: noBorders }),
  });
  // Cleaned before the widths are measured.
  table.push(...rows.map((row) => row.map(printableStyled)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
