/**
 * Databases keep every prepared statement, and each number of rows or values is another text. So there are few numbers.
 */

const rowsPerStatement = [64, 16, 4, 2, 1];

/** Splits rows, in their order, into statements of few different sizes. */
export function inStatements<Row>(rows: readonly Row[]): readonly (readonly Row[])[] {
  const statements: (readonly Row[])[] = [];
  for (let done = 0; done < rows.length;) {
    const size = rowsPerStatement.find((most) => most <= rows.length - done) ?? 1;
    statements.push(rows.slice(done, done + size));
    done += size;
  }
  return statements;
}

/** Repeats the last value until their number is a power of two: for `in (…)`. */
export function padded<Value>(values: readonly Value[]): readonly Value[] {
  const last = values.at(-1);
  if (last === undefined) return [];
  const length = 2 ** Math.ceil(Math.log2(values.length));
  return [...values, ...Array.from({ length: length - values.length }, () => last)];
}
