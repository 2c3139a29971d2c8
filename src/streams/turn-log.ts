import type { StreamPiece } from '../contract/stream';

/**
 * A slow reader gets the accumulated text as one piece. Joined text is copied when it is read, so pieces are joined only up
 * to this length: the cost of a new piece does not grow with the answer.
 */
const maxJoinedLength = 4_096;

/** Joined pieces of one attempt. */
interface Segment {
  readonly attempt: number;
  readonly at: number;
  text: string;
}

interface Reader {
  /** Index of the segment that it reads next, and how much of that it has read. */
  segment: number;
  offset: number;
  wake: () => void;
}

/** One turn's pieces in memory, and their readers, each of which reads at its own speed. */
export class TurnLog {
  private segments: Segment[] = [];
  private isClosed = false;
  private readonly readers = new Set<Reader>();
  /** UTF-16 code units of all kept text. */
  private keptLength = 0;

  get textLength(): number {
    return this.keptLength;
  }

  get isRead(): boolean {
    return this.readers.size > 0;
  }

  append(piece: StreamPiece): void {
    const last = this.segments.at(-1);
    if (last && isNext(last, piece) && last.text.length < maxJoinedLength) last.text += piece.text;
    else this.segments.push({ ...piece });
    this.keptLength += piece.text.length;
    this.wakeAll();
  }

  pieces(): readonly StreamPiece[] {
    return this.segments.map((segment) => ({ ...segment }));
  }

  /** Drops all pieces; readers continue with new ones. */
  forget(): void {
    this.segments = [];
    this.keptLength = 0;
    for (const reader of this.readers) Object.assign(reader, { segment: 0, offset: 0 });
  }

  /** Ends all reads once they have received the kept pieces. */
  close(): void {
    this.isClosed = true;
    this.wakeAll();
  }

  /** All kept pieces, then new ones as they arrive, until `signal` is aborted. */
  async *read(signal: AbortSignal): AsyncGenerator<StreamPiece, void, undefined> {
    const reader: Reader = { segment: 0, offset: 0, wake() {} };
    const onAbort = () => reader.wake();
    signal.addEventListener('abort', onAbort);
    this.readers.add(reader);
    try {
      while (!signal.aborted) {
        const piece = this.next(reader);
        if (piece) yield piece;
        else if (this.isClosed) return;
        else await new Promise<void>((resolve) => (reader.wake = resolve));
      }
    } finally {
      this.readers.delete(reader);
      signal.removeEventListener('abort', onAbort);
    }
  }

  private next(reader: Reader): StreamPiece | undefined {
    let segment = this.segments[reader.segment];
    if (segment && reader.offset === segment.text.length && reader.segment + 1 < this.segments.length) {
      reader.segment += 1;
      reader.offset = 0;
      segment = this.segments[reader.segment];
    }
    if (!segment || reader.offset === segment.text.length) return undefined;
    const { attempt, at, text } = segment;
    const piece = { attempt, at: at + reader.offset, text: text.slice(reader.offset) };
    reader.offset = text.length;
    return piece;
  }

  private wakeAll(): void {
    for (const reader of this.readers) reader.wake();
  }
}

/** Whether a piece starts exactly where another piece of the same attempt ends, so that they can be joined. */
export function isNext(last: StreamPiece, piece: StreamPiece): boolean {
  return piece.attempt === last.attempt && piece.at === last.at + last.text.length;
}
