/**
 * A place in an answer, which also tells what stands before it: in another answer the same place has another hash, but for
 * one in four billion. `offset` counts UTF-16 code units.
 */
export interface AnswerPosition {
  readonly offset: number;
  /** FNV-1a, 32 bits, over the code units before `offset`. */
  readonly hash: number;
}

const prime = 0x01000193;

export const answerStart: AnswerPosition = { offset: 0, hash: 0x811c9dc5 };

/** The position behind `text`, which stands at `position`. */
export function advance({ offset, hash }: AnswerPosition, text: string): AnswerPosition {
  let folded = hash;
  for (let index = 0; index < text.length; index += 1) folded = Math.imul(folded ^ text.charCodeAt(index), prime);
  return { offset: offset + text.length, hash: folded >>> 0 };
}

export function isPositionIn(answer: string, position: AnswerPosition): boolean {
  const { offset, hash } = advance(answerStart, answer.slice(0, position.offset));
  return offset === position.offset && hash === position.hash;
}

/** `112-9f3ac01b` */
export function formatPosition({ offset, hash }: AnswerPosition): string {
  return `${offset}-${hash.toString(16).padStart(8, '0')}`;
}

/** null for a text that `formatPosition` has not made. */
export function parsePosition(text: string): AnswerPosition | null {
  const [, offset, hash] = /^(\d{1,9})-([0-9a-f]{8})$/.exec(text) ?? [];
  return offset === undefined || hash === undefined ? null : { offset: Number(offset), hash: parseInt(hash, 16) };
}
