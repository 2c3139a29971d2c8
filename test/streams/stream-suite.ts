import { setImmediate as nextTurnOfTheLoop } from 'node:timers/promises';
import type { StreamPiece, TurnStreams } from '../../src/contract/stream';
import { AnswerSoFar } from '../../src/domain/stream/answer-so-far';
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';

/** Text, one piece per word, as an attempt writes it. */
export function piecesOf(text: string, attempt = 1): readonly StreamPiece[] {
  let at = 0;
  return (text.match(/\S*\s?/g) ?? [])
    .filter((word) => word !== '')
    .map((word) => {
      const piece = { attempt, at, text: word };
      at += word.length;
      return piece;
    });
}

/** What a caller has after these pieces. */
export function answerOf(pieces: readonly StreamPiece[]): string {
  const answer = new AnswerSoFar();
  return pieces.map((piece) => answer.take(piece)).join('');
}

/** The text of one attempt, with each piece in its place: after an interruption of Redis, all may be read again. */
function textOf(pieces: readonly StreamPiece[], attempt: number): string {
  const own = pieces.filter((piece) => piece.attempt === attempt);
  return own.reduce(
    (text, piece) => text.slice(0, piece.at) + piece.text + text.slice(piece.at + piece.text.length),
    '',
  );
}

/** A reader that keeps what it reads; `leave` aborts it and waits until it has ended. */
export class KeepingReader {
  readonly pieces: StreamPiece[] = [];
  private readonly abort = new AbortController();
  readonly ended: Promise<void>;

  constructor(streams: TurnStreams, turnId: string) {
    this.ended = this.keep(streams.read(turnId, this.abort.signal));
  }

  get text(): string {
    return answerOf(this.pieces);
  }

  async has(text: string): Promise<void> {
    await eventually(`a reader has ${JSON.stringify(text)}`, () => this.text === text);
  }

  leave(): Promise<void> {
    this.abort.abort();
    return this.ended;
  }

  private async keep(read: AsyncIterable<StreamPiece>): Promise<void> {
    for await (const piece of read) this.pieces.push(piece);
  }
}

export interface StreamSetting {
  /** What a worker writes to. */
  readonly writing: TurnStreams;
  /** What a gateway reads from: the same in one process. */
  readonly reading: TurnStreams;
  close(): Promise<void>;
}

/** What holds for any `TurnStreams`. */
export function describeTurnStreams(name: string, open: () => StreamSetting): void {
  describe(name, () => {
    let setting: StreamSetting;
    let readers: KeepingReader[];
    beforeEach(() => {
      setting = open();
      readers = [];
    });
    afterEach(async () => {
      await Promise.all(readers.map((reader) => reader.leave()));
      await setting.close();
    });

    const write = (turnId: string, pieces: readonly StreamPiece[]) => {
      for (const piece of pieces) setting.writing.write(turnId, piece);
    };
    const read = (turnId: string) => {
      const reader = new KeepingReader(setting.reading, turnId);
      readers.push(reader);
      return reader;
    };

    const story = 'Once upon a midnight dreary, while I pondered, weak and weary 😀';

    it('delivers the pieces in order to a reader that started first', async () => {
      const turnId = unique('turn');
      const reader = read(turnId);
      write(turnId, piecesOf(story));
      await reader.has(story);
    });

    it('delivers what is written while it is read', async () => {
      const turnId = unique('turn');
      const reader = read(turnId);
      let written = '';
      for (const piece of piecesOf(story)) {
        write(turnId, [piece]);
        written += piece.text;
        await reader.has(written);
      }
    });

    it('gives a late reader everything from the start, and then what follows', async () => {
      const turnId = unique('turn');
      const [first, ...others] = piecesOf(story);
      if (first) write(turnId, [first]);
      await read(turnId).has('Once ');
      const late = read(turnId);
      write(turnId, others);
      await late.has(story);
    });

    it('serves several readers of one turn, each from the start', async () => {
      const turnId = unique('turn');
      const all = [read(turnId), read(turnId), read(turnId)];
      write(turnId, piecesOf(story));
      await Promise.all(all.map((reader) => reader.has(story)));
    });

    it('keeps the pieces of attempts apart, in the order in which they were written', async () => {
      const turnId = unique('turn');
      const reader = read(turnId);
      write(turnId, [...piecesOf('Once upon', 1), ...piecesOf('Twice', 2), ...piecesOf('Once upon a time', 3)]);
      await reader.has('Once upon a time');
      const { pieces } = reader;
      expect([...new Set(pieces.map(({ attempt }) => attempt))]).toEqual([1, 2, 3]);
      const backwards = pieces.filter(({ attempt }, index) => attempt < (pieces[index - 1]?.attempt ?? 0));
      expect(backwards.filter(({ attempt, at }) => attempt > 1 || at > 0)).toEqual([]);
      expect([1, 2, 3].map((attempt) => textOf(pieces, attempt))).toEqual(['Once upon', 'Twice', 'Once upon a time']);
    });

    it('returns the pieces of a turn without waiting, and none of an unknown turn', async () => {
      const turnId = unique('turn');
      write(turnId, piecesOf(story));
      await eventually('the pieces are there', async () => answerOf(await setting.reading.pieces(turnId)) === story);
      expect(await setting.reading.pieces(unique('turn'))).toEqual([]);
    });

    it('keeps every code unit, even half a character, and text that looks like JSON', async () => {
      const turnId = unique('turn');
      const reader = read(turnId);
      const texts = ['\ud83d', '\ude00 "', '\\u0000\u0000\r\n', '$0]"}', '中'];
      let at = 0;
      for (const text of texts) {
        write(turnId, [{ attempt: 1, at, text }]);
        at += text.length;
        await eventually('the piece is read', () => textOf(reader.pieces, 1).length === at);
      }
      expect(textOf(reader.pieces, 1)).toBe(texts.join(''));
    });

    it('ends an aborted reader, even if its turn stays silent', async () => {
      const turnId = unique('turn');
      const [silent, reading] = [read(unique('turn')), read(turnId)];
      write(turnId, piecesOf('Once '));
      await reading.has('Once ');
      await Promise.all([silent.leave(), reading.leave()]);
      write(turnId, [{ attempt: 1, at: 5, text: 'upon' }]);
      await read(turnId).has('Once upon');
      expect(reading.text).toBe('Once ');
      expect(silent.pieces).toEqual([]);
    });

    it('gives nothing to a reader that was aborted before it began', async () => {
      const turnId = unique('turn');
      write(turnId, piecesOf(story));
      const seen: StreamPiece[] = [];
      for await (const piece of setting.reading.read(turnId, AbortSignal.abort())) seen.push(piece);
      expect(seen).toEqual([]);
    });

    it('gives a slow reader what it missed, in fewer pieces', async () => {
      const turnId = unique('turn');
      const leave = new AbortController();
      const slow = setting.reading.read(turnId, leave.signal)[Symbol.asyncIterator]();
      const pieces = piecesOf(`${'word '.repeat(2_000)}end`);
      const whole = pieces.map(({ text }) => text).join('');
      write(turnId, pieces.slice(0, 1));
      const seen = [await nextOf(slow)];
      write(turnId, pieces.slice(1));
      await eventually('all is there', async () => answerOf(await setting.reading.pieces(turnId)) === whole);
      while (answerOf(seen) !== whole) seen.push(await nextOf(slow));
      leave.abort();
      expect((await slow.next()).done).toBe(true);
      expect(seen.length).toBeLessThan(pieces.length / 2);
    });

    it('keeps 500 concurrent turns apart', async () => {
      const turns = Array.from({ length: 500 }, (_, index) => ({ turnId: unique('turn'), text: `${index}: ${story}` }));
      const reading = turns.map(({ turnId, text }) => ({ reader: read(turnId), text }));
      const written = turns.map(({ turnId, text }) => ({ turnId, pieces: piecesOf(text) }));
      for (let index = 0; index < 20; index += 1) {
        for (const { turnId, pieces } of written) write(turnId, pieces.slice(index, index + 1));
        await nextTurnOfTheLoop(); // what was written may go out in between
      }
      await eventually('everyone has all', () => reading.every(({ reader, text }) => reader.text === text));
    });

    it('ends its readers when it closes, and ignores later pieces', async () => {
      const reader = read(unique('turn'));
      await setting.close();
      await reader.ended;
      write(unique('turn'), piecesOf('Once '));
      expect(await setting.reading.pieces(unique('turn'))).toEqual([]);
    });
  });
}

async function nextOf(iterator: AsyncIterator<StreamPiece>): Promise<StreamPiece> {
  const { done, value } = await iterator.next();
  if (done === true) throw new Error('The stream ended.');
  return value;
}
