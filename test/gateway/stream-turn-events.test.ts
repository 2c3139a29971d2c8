import { setImmediate as allThatCanRun } from 'node:timers/promises';
import type { ChatReply } from '../../src/contract/chat';
import type { StreamPiece } from '../../src/contract/stream';
import { advance, answerStart } from '../../src/domain/stream/answer-so-far';
import { badRequest } from '../../src/gateway/gateway-error';
import { streamTurnEvents, type TurnEnd, type TurnEvent } from '../../src/gateway/stream-turn-events';
import { MemoryStreams } from '../../src/streams/memory-streams';
import { eventually } from '../support/eventually';

const turnId = 'turn-1';
const behind = (text: string) => advance(answerStart, text);
let streams: MemoryStreams;
let finish: (end: TurnEnd) => void;
let end: Promise<TurnEnd>;
beforeEach(() => {
  streams = new MemoryStreams();
  end = new Promise((resolve) => {
    finish = resolve;
  });
});
afterEach(() => streams.close());

function tell(changes: Partial<Parameters<typeof streamTurnEvents>[0]> = {}) {
  return streamTurnEvents({
    turnName: turnId,
    streams,
    end,
    heartbeatMs: 60_000,
    gone: new AbortController().signal,
    ...changes,
  });
}

function write(at: number, text: string, attempt = 1): void {
  streams.write(turnId, { attempt, at, text });
}

function answer(content: string): { reply: ChatReply } {
  return { reply: { turn_id: turnId, content, success: true } as ChatReply };
}

async function all(events: AsyncIterable<TurnEvent>): Promise<TurnEvent[]> {
  const told: TurnEvent[] = [];
  for await (const event of events) told.push(event);
  return told;
}

test('text is told as it comes, before the turn has ended', async () => {
  const events = tell();
  const first = events.next();
  write(0, 'Hel');
  expect((await first).value).toEqual({ kind: 'text', text: 'Hel', position: behind('Hel') });
  write(3, 'lo');
  expect((await events.next()).value).toEqual({ kind: 'text', text: 'lo', position: behind('Hello') });
  finish(answer('Hello there'));
  expect((await events.next()).value).toEqual({ kind: 'text', text: ' there', position: behind('Hello there') });
  expect((await events.next()).value).toMatchObject({ kind: 'answered' });
  expect((await events.next()).done).toBe(true);
});

test('without a stream the whole text is told at the end', async () => {
  finish(answer('Hello'));
  expect(await all(tell())).toEqual([
    { kind: 'text', text: 'Hello', position: behind('Hello') },
    expect.objectContaining({ kind: 'answered' }),
  ]);
});

test('an attempt that says something else is an error at the end, never a mixture', async () => {
  const diverged = jest.fn();
  const events = tell({ onDivergence: diverged });
  const first = events.next();
  write(0, 'It is');
  await first;
  write(0, 'Sorry', 2);
  finish(answer('Sorry, no.'));
  expect(await all(events)).toMatchObject([
    { kind: 'failed', error: { status: 502, fields: { code: 'stream_diverged' } } },
  ]);
  expect(diverged).toHaveBeenCalledTimes(1);
});

test('a failed turn ends in its error, whatever was told before', async () => {
  const events = tell();
  const first = events.next();
  write(0, 'It is');
  await first;
  const error = badRequest('no', null);
  finish({ error });
  expect(await all(events)).toEqual([{ kind: 'failed', error }]);
});

test('whoever comes back gets what follows, from any offset', async () => {
  write(0, 'Hello ');
  write(6, 'there');
  finish(answer('Hello there'));
  for (let offset = 0; offset <= 11; offset += 1) {
    const told = await all(tell({ alreadySent: behind('Hello there'.slice(0, offset)) }));
    const text = told.map((event) => (event.kind === 'text' ? event.text : '')).join('');
    expect(text).toBe('Hello there'.slice(offset));
    expect(told.at(-1)).toMatchObject({ kind: 'answered' });
  }
});

test('whoever comes back to another answer is told so, and gets nothing of it', async () => {
  write(0, 'Hello there', 2);
  finish(answer('Hello there'));
  for (const had of ['Howdy', 'Hello there, and', 'Sorry, no.']) {
    expect(await all(tell({ alreadySent: behind(had) }))).toMatchObject([
      { kind: 'failed', error: { status: 412, fields: { code: 'stream_diverged', param: 'Last-Event-ID' } } },
    ]);
  }
});

test('silence is told as often as the heartbeat says', async () => {
  const events = tell({ heartbeatMs: 5 });
  expect((await events.next()).value).toEqual({ kind: 'quiet' });
  expect((await events.next()).value).toEqual({ kind: 'quiet' });
  write(0, 'Hi');
  expect(await nextOtherThanQuiet(events)).toMatchObject({ kind: 'text' });
  finish(answer('Hi'));
  expect(await nextOtherThanQuiet(events)).toMatchObject({ kind: 'answered' });
});

test('a caller that goes ends the reading at once', async () => {
  const gone = new AbortController();
  const read = new ReadSpy();
  const events = tell({ gone: gone.signal, streams: read });
  const waiting = events.next();
  gone.abort();
  expect((await waiting).done).toBe(true);
  await eventually('the reading ended', () => read.ended);
});

test('the next piece is read when the last one was taken, so a slow caller holds nothing', async () => {
  let taken = 0;
  async function* read(): AsyncGenerator<StreamPiece> {
    for (let at = 0; at < 100; at += 1) {
      taken += 1;
      yield { attempt: 1, at, text: 'x' };
    }
  }
  const events = tell({ streams: Object.assign(new MemoryStreams(), { read }) });
  await events.next();
  await allThatCanRun(); // reading waits for no timer and no other process
  expect(taken).toBeLessThanOrEqual(2);
  for (let told = 1; told < 100; told += 1) await events.next();
  finish(answer('x'.repeat(100)));
  expect(await all(events)).toMatchObject([{ kind: 'answered' }]);
});

async function nextOtherThanQuiet(events: AsyncGenerator<TurnEvent, void>): Promise<TurnEvent | void> {
  for (;;) {
    const { value } = await events.next();
    if (value?.kind !== 'quiet') return value;
  }
}

/** Notices the end of the reading. */
class ReadSpy extends MemoryStreams {
  ended = false;

  override async *read(id: string, signal: AbortSignal): AsyncGenerator<StreamPiece, void, undefined> {
    yield* super.read(id, signal);
    this.ended = true;
  }
}
