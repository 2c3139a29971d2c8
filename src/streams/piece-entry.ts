import type { StreamPiece } from '../contract/stream';

/** One stream for each turn. */
export function keyOf(turnName: string): string {
  return `bellwether:turn-stream:${turnName}`;
}

/** A stream's entry as Redis returns it: its id, and its fields and values in turn. */
export type Entry = [id: string, fields: string[]];

const field = 'piece';

/** As JSON, which also keeps half a surrogate pair: as bare UTF-8 it would be lost. */
export function fieldsOf({ attempt, at, text }: StreamPiece): [name: string, value: string] {
  return [field, JSON.stringify([attempt, at, text])];
}

/** Undefined when the entry is not ours. */
export function pieceOf([, fields]: Entry): StreamPiece | undefined {
  if (fields[0] !== field || fields[1] === undefined) return undefined;
  try {
    const [attempt, at, text] = JSON.parse(fields[1]) as unknown[];
    const isPiece = typeof attempt === 'number' && typeof at === 'number' && typeof text === 'string';
    return isPiece ? { attempt, at, text } : undefined;
  } catch {
    return undefined; // not JSON, or no array
  }
}
