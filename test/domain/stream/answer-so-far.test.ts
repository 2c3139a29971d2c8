import * as fc from 'fast-check';
import type { StreamPiece } from '../../../src/contract/stream';
import { advance, AnswerSoFar, answerStart } from '../../../src/domain/stream/answer-so-far';

const piece = (attempt: number, at: number, text: string): StreamPiece => ({ attempt, at, text });

const behind = (text: string) => advance(answerStart, text);

/** What each piece brought the caller. */
function take(answer: AnswerSoFar, ...pieces: readonly StreamPiece[]): readonly string[] {
  return pieces.map((taken) => answer.take(taken));
}

describe('an attempt without faults', () => {
  it('is sent piece by piece, and is complete at the end', () => {
    const answer = new AnswerSoFar();
    expect(take(answer, piece(1, 0, 'Once '), piece(1, 5, 'upon'))).toEqual(['Once ', 'upon']);
    expect(answer.text).toBe('Once upon');
    expect(answer.position).toEqual(behind('Once upon'));
    expect(answer.finish('Once upon')).toEqual({ kind: 'rest', text: '' });
  });

  it('is completed by the reply if its last pieces are lost', () => {
    const answer = new AnswerSoFar();
    take(answer, piece(1, 0, 'Once '));
    expect(answer.finish('Once upon a time')).toEqual({ kind: 'rest', text: 'upon a time' });
  });

  it('is not sent beyond a gap, and continues if the missing piece arrives', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once '), piece(1, 10, 'a time'), piece(1, 5, 'upon '), piece(1, 10, 'a time')];
    expect(take(answer, ...pieces)).toEqual(['Once ', '', 'upon ', 'a time']);
  });

  it('is sent once if pieces arrive twice', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once '), piece(1, 5, 'upon'), piece(1, 0, 'Once upon '), piece(1, 5, 'upon a')];
    expect(take(answer, ...pieces)).toEqual(['Once ', 'upon', ' ', 'a']);
  });
});

describe('an attempt after one that broke off', () => {
  it('counts only from its beginning, so that texts of two attempts are never joined unnoticed', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once '), piece(2, 5, 'upon'), piece(2, 0, 'Once upon'), piece(2, 9, ' a time')];
    expect(take(answer, ...pieces)).toEqual(['Once ', '', 'upon', ' a time']);
  });

  it('is dropped while it repeats what was sent, and is sent from there on', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once '), piece(2, 0, 'On'), piece(2, 2, 'ce upon')];
    expect(take(answer, ...pieces)).toEqual(['Once ', '', 'upon']);
  });

  it('is ignored from where it differs, even if it is longer', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once '), piece(2, 0, 'On'), piece(2, 2, 'e day'), piece(2, 7, ' long ago')];
    expect(take(answer, ...pieces)).toEqual(['Once ', '', '', '']);
    expect(answer.finish('One day long ago')).toEqual({ kind: 'diverged' });
  });

  it('does not count beyond its own gap, even if more was sent before', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once upon'), piece(2, 0, 'On'), piece(2, 5, 'upon midnight')];
    expect(take(answer, ...pieces)).toEqual(['Once upon', '', '']);
    expect(answer.finish('One, upon midnight')).toEqual({ kind: 'diverged' });
  });

  it('leaves room for a third attempt that agrees', () => {
    const answer = new AnswerSoFar();
    const pieces = [piece(1, 0, 'Once '), piece(2, 0, 'Twice upon'), piece(3, 0, 'Once upon'), piece(2, 10, ' a')];
    expect(take(answer, ...pieces)).toEqual(['Once ', '', 'upon', '']);
  });
});

describe('the end', () => {
  it.each([
    ['another text', 'Twice'],
    ['a shorter one', 'Onc'],
    ['none', ''],
  ])('reports that the reply is %s', (_, content) => {
    const answer = new AnswerSoFar();
    take(answer, piece(1, 0, 'Once '));
    expect(answer.finish(content)).toEqual({ kind: 'diverged' });
  });

  it('has the whole reply if no piece came', () => {
    expect(new AnswerSoFar().finish('Once')).toEqual({ kind: 'rest', text: 'Once' });
    expect(new AnswerSoFar().finish('')).toEqual({ kind: 'rest', text: '' });
  });
});

describe('a caller that rejoins', () => {
  it('is sent only what it does not have', () => {
    const answer = new AnswerSoFar(behind('Once up'));
    expect(take(answer, piece(1, 0, 'Once '), piece(1, 5, 'upon '), piece(1, 10, 'a'))).toEqual(['', 'on ', 'a']);
    expect(answer.position).toEqual(behind('Once upon a'));
    expect(answer.finish('Once upon a time')).toEqual({ kind: 'rest', text: ' time' });
  });

  it('gets the rest from the reply if the pieces are gone', () => {
    const answer = new AnswerSoFar(behind('Once up'));
    expect(take(answer, piece(1, 10, 'a'))).toEqual(['']);
    expect(answer.finish('Once upon a time')).toEqual({ kind: 'rest', text: 'on a time' });
  });

  it('is told if the reply differs from what it has', () => {
    expect(new AnswerSoFar(behind('Once ')).finish('Once')).toEqual({ kind: 'diverged' });
    expect(new AnswerSoFar(behind('Once ')).finish('Twice upon')).toEqual({ kind: 'diverged' });
    const answer = new AnswerSoFar(behind('Once '));
    take(answer, piece(1, 0, 'Onc'));
    expect(answer.finish('Twice upon')).toEqual({ kind: 'diverged' });
  });

  it('gets nothing of a different answer, and the rest of its own if that comes', () => {
    const answer = new AnswerSoFar(behind('Once '));
    const other = [piece(2, 0, 'Twi'), piece(2, 3, 'ce upon'), piece(2, 10, ' a time')];
    expect(take(answer, ...other, piece(3, 0, 'Once upon'))).toEqual(['', '', '', 'upon']);
    expect(answer.finish('Once upon a time')).toEqual({ kind: 'rest', text: ' a time' });
  });

  it('is not told that the reply differs because of pieces of another attempt', () => {
    const answer = new AnswerSoFar(behind('Once '));
    take(answer, piece(2, 0, 'Twi'));
    expect(answer.finish('Once upon')).toEqual({ kind: 'rest', text: 'upon' });
  });
});

it('keeps the first half of a character until the second half arrives', () => {
  const answer = new AnswerSoFar();
  expect(take(answer, piece(1, 0, 'a\ud83d'), piece(1, 2, '\ude00'), piece(1, 3, '\ud83d'))).toEqual(['a', '😀', '']);
  expect(answer.text).toBe('a😀');
  expect(answer.finish('a😀😀')).toEqual({ kind: 'rest', text: '😀' });
});

/** Few different characters, so that answers often agree for a while; one of them is two code units long. */
const words = (maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', '😀'), maxLength });

interface Attempt {
  /** The answer that would be the turn's if this attempt succeeded. */
  readonly answer: string;
  readonly pieces: readonly StreamPiece[];
}

/** An attempt's answer, cut anywhere; any piece may come twice, or be lost. */
function attemptArbitrary(attempt: number, answer: string): fc.Arbitrary<Attempt> {
  const fate = fc.constantFrom('comes', 'comes', 'twice', 'lost');
  const cut = fc.record({ length: fc.integer({ min: 1, max: 4 }), fate });
  return fc.array(cut, { minLength: 1 }).map((cuts) => {
    const pieces: StreamPiece[] = [];
    let at = 0;
    for (const { length, fate: each } of cuts) {
      const text = answer.slice(at, at + length);
      const copies = { comes: 1, twice: 2, lost: 0 }[each] ?? 0;
      if (text !== '') pieces.push(...Array<StreamPiece>(copies).fill(piece(attempt, at, text)));
      at += text.length;
    }
    return { answer, pieces };
  });
}

interface Turn {
  readonly answers: readonly string[];
  readonly pieces: readonly StreamPiece[];
  /** The content of its reply. */
  readonly content: string;
}

/** Three attempts: the second begins anew, alike for a while or not at all; the third goes on from the first. */
function turnArbitrary(): fc.Arbitrary<Turn> {
  return fc
    .record({ common: words(8), first: words(8), second: words(8), third: words(8), broken: fc.nat(16) })
    .chain(({ common, first, second, third, broken }) => {
      const begun = Array.from(common + first)
        .slice(0, broken)
        .join('');
      return fc.tuple(
        attemptArbitrary(1, begun),
        attemptArbitrary(2, common + second),
        attemptArbitrary(3, begun + third),
      );
    })
    .chain((attempts) =>
      fc.record({
        answers: fc.constant(attempts.map(({ answer }) => answer)),
        pieces: arrival(attempts),
        content: fc.constantFrom(...attempts.map(({ answer }) => answer)),
      }),
    );
}

/** Pieces may come out of order, and those of an attempt that should have ended among the next one's. */
function arrival(attempts: readonly Attempt[]): fc.Arbitrary<readonly StreamPiece[]> {
  const pieces = attempts.flatMap((attempt) => attempt.pieces);
  const delays = fc.array(fc.nat(6), { minLength: pieces.length, maxLength: pieces.length });
  return delays.map((delay) =>
    pieces
      .map((taken, index) => ({ taken, place: index + (delay[index] ?? 0) }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ taken }) => taken),
  );
}

/** Without half a character at either end. */
const isWhole = (text: string) => !/^[\udc00-\udfff]|[\ud800-\udbff]$/.test(text);

test('whatever arrives or is lost, the sent text begins the answer of one attempt, in whole characters', () => {
  const check = ({ answers, pieces }: Turn) => {
    const answer = new AnswerSoFar();
    let sent = '';
    for (const taken of pieces) {
      const text = answer.take(taken);
      expect(isWhole(text)).toBe(true);
      sent += text;
      expect(answer.text).toBe(sent);
      expect(answers.some((candidate) => candidate.startsWith(sent))).toBe(true);
    }
  };
  fc.assert(fc.property(turnArbitrary(), check), { numRuns: 2_000 });
});

test('whatever arrives or is lost, the caller ends with the reply’s content or is told', () => {
  const check = ({ pieces, content }: Turn) => {
    const answer = new AnswerSoFar();
    const sent = take(answer, ...pieces).join('');
    const ending = answer.finish(content);
    if (ending.kind === 'rest') expect(sent + ending.text).toBe(content);
    else expect(content.startsWith(sent)).toBe(false);
  };
  fc.assert(fc.property(turnArbitrary(), check), { numRuns: 1_000 });
});

test('a caller that rejoins anywhere ends with the same text as one that stayed', () => {
  const check = ({ pieces, content }: Turn, characterCount: number) => {
    const stayed = new AnswerSoFar();
    const seen = take(stayed, ...pieces).join('');
    const has = Array.from(seen).slice(0, characterCount).join('');
    const back = new AnswerSoFar(behind(has));
    expect(has + take(back, ...pieces).join('')).toBe(seen);
    expect(back.finish(content)).toEqual(stayed.finish(content));
  };
  fc.assert(fc.property(turnArbitrary(), fc.nat(20), check), { numRuns: 1_000 });
});

test('a caller that rejoins a stream without its beginning never gets the rest of another answer', () => {
  const check = ({ pieces, answers, content }: Turn, characterCount: number, lost: number) => {
    const has = Array.from(take(new AnswerSoFar(), ...pieces).join(''))
      .slice(0, characterCount)
      .join('');
    const back = new AnswerSoFar(behind(has));
    const sent = has + take(back, ...pieces.slice(lost)).join('');
    expect(answers.some((candidate) => candidate.startsWith(sent))).toBe(true);
    const ending = back.finish(content);
    if (ending.kind === 'rest') expect(sent + ending.text).toBe(content);
    else expect(content.startsWith(sent)).toBe(false);
  };
  fc.assert(fc.property(turnArbitrary(), fc.nat(20), fc.nat(20), check), { numRuns: 2_000 });
});
