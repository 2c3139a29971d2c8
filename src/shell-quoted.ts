/** A word as a POSIX shell takes it: as it is where that is plain, otherwise in quotes. */
export function shellQuoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
