import type { StreamPiece } from '../contract/stream';

/** One Redis stream per turn. */
export function keyOf(turnName: string): string {
  return `bellwether:turn-stream:${turnName}`;
}

/** A stream entry as Redis returns it: its id, and its alternating fields and values. */
export type Entry = [id: string, fields: string[]];

const field = 'piece';

/** As JSON, which preserves a lone surrogate; plain UTF-8 would lose it. */
export function fieldsOf({ attempt, at, text }: StreamPiece): [name: string, value: string] {
  return [field, JSON.stringify([attempt, at, text])];
}

/** Undefined if the entry is not a piece. */
export function pieceOf([, fields]: Entry): StreamPiece | undefined {
  if (fields[0] !== field || fields[1] === undefined) return undefined;
  try {
    const [attempt, at, text] = JSON.parse(fields[1]) as unknown[];
    const isPiece = typeof attempt === 'number' && typeof at === 'number' && typeof text === 'string';
    return isPiece ? { attempt, at, text } : undefined;
  } catch {
    return undefined; // not JSON, or not an array
  }
}
