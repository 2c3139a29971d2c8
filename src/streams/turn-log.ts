import type { StreamPiece } from '../contract/stream';

/**
 * A reader that is behind gets the text that gathered as one piece. Joined text is copied when it is read, so a piece
 * ends at this length: what a piece that comes costs does not grow with the answer.
 */
const maxJoinedLength = 4_096;

/** Joined pieces of one attempt. */
interface Stretch {
  readonly attempt: number;
  readonly at: number;
  text: string;
}

interface Reader {
  /** The stretch that it reads next, and how much of it it has read. */
  stretch: number;
  offset: number;
  wake: () => void;
}

/** One turn's pieces in this process's memory, and those who read them, each at its own speed. */
export class TurnLog {
  private stretches: Stretch[] = [];
  private isClosed = false;
  private readonly readers = new Set<Reader>();
  /** Code units of all the text it holds. */
  private heldLength = 0;

  get textLength(): number {
    return this.heldLength;
  }

  get isRead(): boolean {
    return this.readers.size > 0;
  }

  append(piece: StreamPiece): void {
    const last = this.stretches.at(-1);
    if (last && isNext(last, piece) && last.text.length < maxJoinedLength) last.text += piece.text;
    else this.stretches.push({ ...piece });
    this.heldLength += piece.text.length;
    this.wakeAll();
  }

  pieces(): readonly StreamPiece[] {
    return this.stretches.map((stretch) => ({ ...stretch }));
  }

  /** Lets go of all pieces; whoever reads goes on with those that come. */
  forget(): void {
    this.stretches = [];
    this.heldLength = 0;
    for (const reader of this.readers) Object.assign(reader, { stretch: 0, offset: 0 });
  }

  /** Ends all reading once what is held has been read. */
  close(): void {
    this.isClosed = true;
    this.wakeAll();
  }

  /** All pieces, then those that come, until `signal` is aborted. */
  async *read(signal: AbortSignal): AsyncGenerator<StreamPiece, void, undefined> {
    const reader: Reader = { stretch: 0, offset: 0, wake() {} };
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
    let stretch = this.stretches[reader.stretch];
    if (stretch && reader.offset === stretch.text.length && reader.stretch + 1 < this.stretches.length) {
      reader.stretch += 1;
      reader.offset = 0;
      stretch = this.stretches[reader.stretch];
    }
    if (!stretch || reader.offset === stretch.text.length) return undefined;
    const { attempt, at, text } = stretch;
    const piece = { attempt, at: at + reader.offset, text: text.slice(reader.offset) };
    reader.offset = text.length;
    return piece;
  }

  private wakeAll(): void {
    for (const reader of this.readers) reader.wake();
  }
}

/** Whether a piece goes on right where another of its attempt ends, so that both can be one. */
export function isNext(last: StreamPiece, piece: StreamPiece): boolean {
  return piece.attempt === last.attempt && piece.at === last.at + last.text.length;
}
