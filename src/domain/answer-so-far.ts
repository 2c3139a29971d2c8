import type { StreamPiece } from '../contract/stream';

export type AnswerEnding =
  /** What the caller still lacks of the reply's content: '' when it has all. */
  | { readonly kind: 'rest'; readonly text: string }
  /** The reply's content is not what the caller has been sent the beginning of: nothing can make it whole. */
  | { readonly kind: 'diverged' };

/**
 * One caller's view of a turn's stream: pieces go in, text that is to be sent comes out, each character once and in
 * order. Lengths and offsets are UTF-16 code units. An attempt's pieces count as long as they go on from 0, without a gap,
 * and agree with what is known already; an attempt that disagrees is ignored from then on.
 * For a caller that comes back, `alreadySent` is how much it has: give this object all pieces from the stream's
 * beginning, and it sends only what is new.
 */
export class AnswerSoFar {
  /** From 0 on, what the pieces told; all of it is sent but for `held`. */
  private known = '';
  /** The first half of a surrogate pair whose second half is still to come; it ends `known`. */
  private held = '';
  private sentTo: number;
  /** For each attempt that agrees, up to where it has been seen without a gap. */
  private readonly agreedTo = new Map<number, number>();
  private readonly disagreeing = new Set<number>();

  constructor(alreadySent = 0) {
    this.sentTo = alreadySent;
  }

  /** How much of the answer the caller has. */
  get offset(): number {
    return this.sentTo;
  }

  /** What the caller has of the answer, as far as the pieces tell: after a re-join it may be shorter than `offset`. */
  get text(): string {
    return this.known.slice(0, this.sentTo);
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
    this.agreedTo.set(attempt, Math.max(agreedTo, at + text.length));
    return this.release(text.slice(overlap));
  }

  /** Compares with the reply's content, which is the truth. */
  finish(content: string): AnswerEnding {
    if (content.length < this.sentTo || !content.startsWith(this.text)) return { kind: 'diverged' };
    return { kind: 'rest', text: content.slice(wholeCharacterAt(content, this.sentTo)) };
  }

  private release(fresh: string): string {
    if (fresh === '') return '';
    const pending = this.held + fresh;
    const pendingFrom = this.known.length - this.held.length;
    this.known += fresh;
    this.held = isHighSurrogate(pending, pending.length - 1) ? pending.slice(-1) : '';
    const releasedTo = this.known.length - this.held.length;
    if (releasedTo <= this.sentTo) return '';
    const newFrom = wholeCharacterAt(pending, Math.max(0, this.sentTo - pendingFrom));
    this.sentTo = releasedTo;
    return pending.slice(newFrom, pending.length - this.held.length);
  }
}

/** Only a caller that names an offset we never gave it stands amid a pair: then it gets the pair whole. */
function wholeCharacterAt(text: string, index: number): number {
  return index > 0 && isHighSurrogate(text, index - 1) && isLowSurrogate(text, index) ? index - 1 : index;
}

function isHighSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
