import type { StreamPiece } from '../../contract/stream';

export type AnswerEnding =
  /** The part of the reply's content that the caller does not have yet; '' if it has everything. */
  | { readonly kind: 'rest'; readonly text: string }
  /** The caller has received the beginning of a different text, so its answer cannot be completed. */
  | { readonly kind: 'diverged' };

/**
 * One caller's view of a turn's stream: pieces go in, text to send comes out, each character once and in order. Lengths and
 * offsets are UTF-16 code units. An attempt's pieces count as long as they are contiguous from 0 and agree with the text
 * known so far; an attempt that disagrees is ignored from then on.
 * For a caller that reconnects, `alreadySent` is its position in the answer. Pass in all pieces from the beginning of the
 * stream: only text beyond that position is returned, and pieces of a different answer are ignored.
 */
export class AnswerSoFar {
  /** The answer's text from 0, as far as pieces have arrived; all of it is sent except `pendingSurrogate`. */
  private known = '';
  /** The first half of a surrogate pair at the end of `known`, whose second half has not arrived yet. */
  private pendingSurrogate = '';
  private sent: AnswerPosition;
  /** Whether `known` starts with the text that the caller has; false until it is long enough to tell. */
  private isSameAnswer: boolean;
  /** How far each agreeing attempt has been received without a gap. */
  private readonly agreedTo = new Map<number, number>();
  private readonly disagreeing = new Set<number>();

  constructor(alreadySent: AnswerPosition = answerStart) {
    this.sent = alreadySent;
    this.isSameAnswer = alreadySent.offset === 0;
  }

  /** The caller's position in the answer. */
  get position(): AnswerPosition {
    return this.sent;
  }

  /** The part of the answer that the caller has. After a reconnect it is '' until enough pieces have arrived. */
  get text(): string {
    return this.isSameAnswer ? this.known.slice(0, this.sent.offset) : '';
  }

  /** Returns the text to send to the caller now; '' if the piece adds nothing. */
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

  /** Compares with the reply's content, which is authoritative. */
  finish(content: string): AnswerEnding {
    const isSame = this.isSameAnswer ? content.startsWith(this.text) : isPositionIn(content, this.sent);
    return isSame ? { kind: 'rest', text: content.slice(this.sent.offset) } : { kind: 'diverged' };
  }

  /** Returns false, and discards `known`, when it turns out to be a different answer from the caller's. */
  private compare(known: string): boolean {
    if (known.length < this.sent.offset) return true;
    this.isSameAnswer = isPositionIn(known, this.sent);
    if (this.isSameAnswer) return true;
    this.known = '';
    this.pendingSurrogate = '';
    this.agreedTo.clear();
    return false;
  }

  private release(fresh: string): string {
    if (fresh === '') return '';
    const pending = this.pendingSurrogate + fresh;
    const pendingFrom = this.known.length - this.pendingSurrogate.length;
    this.known += fresh;
    this.pendingSurrogate = isHighSurrogate(pending, pending.length - 1) ? pending.slice(-1) : '';
    const releasedTo = this.known.length - this.pendingSurrogate.length;
    const { offset } = this.sent;
    if (releasedTo <= offset) return '';
    const text = pending.slice(Math.max(0, offset - pendingFrom), pending.length - this.pendingSurrogate.length);
    this.sent = advance(this.sent, text);
    return text;
  }
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
}

/**
 * A position in an answer that also identifies the text before it: in a different answer, the hash at the same offset
 * differs, except for one case in four billion. `offset` counts UTF-16 code units.
 */
export interface AnswerPosition {
  readonly offset: number;
  /** FNV-1a, 32 bits, over the code units before `offset`. */
  readonly hash: number;
  /** How many bits of the hash are known, from the lowest; 32 unless given. The lowest bits of a later hash follow from them. */
  readonly hashBits?: number;
}

const prime = 0x01000193;

export const answerStart: AnswerPosition = { offset: 0, hash: 0x811c9dc5 };

/** The position after `text`, which starts at the given position. */
export function advance({ offset, hash, ...known }: AnswerPosition, text: string): AnswerPosition {
  let folded = hash;
  for (let index = 0; index < text.length; index += 1) folded = Math.imul(folded ^ text.charCodeAt(index), prime);
  return { offset: offset + text.length, hash: folded >>> 0, ...known };
}

export function isPositionIn(answer: string, position: AnswerPosition): boolean {
  const { offset, hash } = advance(answerStart, answer.slice(0, position.offset));
  return offset === position.offset && lowBits(hash ^ position.hash, position.hashBits ?? 32) === 0;
}

function lowBits(value: number, bits: number): number {
  return bits === 32 ? value >>> 0 : value & ((1 << bits) - 1);
}

/** `112-9f3ac01b` */
export function formatPosition({ offset, hash }: AnswerPosition): string {
  return `${offset}-${hash.toString(16).padStart(8, '0')}`;
}

/** null if the text was not made by `formatPosition`. */
export function parsePosition(text: string): AnswerPosition | null {
  const [, offset, hash] = /^(\d{1,9})-([0-9a-f]{8})$/.exec(text) ?? [];
  return offset === undefined || hash === undefined ? null : { offset: Number(offset), hash: parseInt(hash, 16) };
}
