import type { StreamPiece } from '../../contract/stream';

export type AnswerEnding =
  /** What the caller still lacks of the reply's content: '' when it has all. */
  | { readonly kind: 'rest'; readonly text: string }
  /** The reply's content is not what the caller has been sent the beginning of: nothing can make it whole. */
  | { readonly kind: 'diverged' };

/**
 * One caller's view of a turn's stream: pieces go in, text that is to be sent comes out, each character once and in
 * order. Lengths and offsets are UTF-16 code units. An attempt's pieces count as long as they go on from 0, without a gap,
 * and agree with what is known already; an attempt that disagrees is ignored from then on.
 * For a caller that comes back, `alreadySent` is up to where it has the answer: give this object all pieces from the
 * stream's beginning, and it sends only what is new of the same answer. Pieces of another one are ignored.
 */
export class AnswerSoFar {
  /** From 0 on, what the pieces told; all of it is sent but for `held`. */
  private known = '';
  /** The first half of a surrogate pair whose second half is still to come; it ends `known`. */
  private held = '';
  private sent: AnswerPosition;
  /** Whether `known` begins with what the caller has: not before it reaches as far. */
  private isSameAnswer: boolean;
  /** For each attempt that agrees, up to where it has been seen without a gap. */
  private readonly agreedTo = new Map<number, number>();
  private readonly disagreeing = new Set<number>();

  constructor(alreadySent: AnswerPosition = answerStart) {
    this.sent = alreadySent;
    this.isSameAnswer = alreadySent.offset === 0;
  }

  /** Up to where the caller has the answer. */
  get position(): AnswerPosition {
    return this.sent;
  }

  /** What the caller has of the answer, as far as the pieces tell: '' after a re-join until they reach as far. */
  get text(): string {
    return this.isSameAnswer ? this.known.slice(0, this.sent.offset) : '';
  }

  /** Returns what is to be sent to the caller now, '' when the piece brings nothing new. */
  take({ attempt, at, text }: StreamPiece): string {
    const agreedTo = this.agreedTo.get(attempt) ?? 0;
    const isBehindGap = at > agreedTo;
    if (isBehindGap || this.disagreeing.has(attempt)) return '';
    const overlap = Math.min(text.length, this.known.length - at);
    if (overlap > 0 && this.known.slice(at, at + overlap) !== text.slice(0, overlap)) {
      this.disagreeing.add(attempt);
      return '';
    }
    const fresh = text.slice(overlap);
    if (!this.isSameAnswer && !this.compare(this.known + fresh)) {
      this.disagreeing.add(attempt);
      return '';
    }
    this.agreedTo.set(attempt, Math.max(agreedTo, at + text.length));
    return this.release(fresh);
  }

  /** Compares with the reply's content, which is the truth. */
  finish(content: string): AnswerEnding {
    const isSame = this.isSameAnswer ? content.startsWith(this.text) : isPositionIn(content, this.sent);
    return isSame ? { kind: 'rest', text: content.slice(this.sent.offset) } : { kind: 'diverged' };
  }

  /** False when `known` is found to be another answer than the caller's: then all of it is forgotten. */
  private compare(known: string): boolean {
    if (known.length < this.sent.offset) return true;
    this.isSameAnswer = isPositionIn(known, this.sent);
    if (this.isSameAnswer) return true;
    this.known = '';
    this.held = '';
    this.agreedTo.clear();
    return false;
  }

  private release(fresh: string): string {
    if (fresh === '') return '';
    const pending = this.held + fresh;
    const pendingFrom = this.known.length - this.held.length;
    this.known += fresh;
    this.held = isHighSurrogate(pending, pending.length - 1) ? pending.slice(-1) : '';
    const releasedTo = this.known.length - this.held.length;
    const { offset } = this.sent;
    if (releasedTo <= offset) return '';
    const text = pending.slice(Math.max(0, offset - pendingFrom), pending.length - this.held.length);
    this.sent = advance(this.sent, text);
    return text;
  }
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
}

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
