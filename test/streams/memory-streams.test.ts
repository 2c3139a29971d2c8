import { MemoryStreams } from '../../src/streams/memory-streams';
import { openTurnStreams } from '../../src/streams/open-streams';
import { eventually } from '../support/eventually';
import { describeTurnStreams, KeepingReader, piecesOf } from './stream-suite';

describeTurnStreams('streams in memory', () => {
  const streams = openTurnStreams(undefined);
  return { writing: streams, reading: streams, close: () => streams.close() };
});

describe('the memory of streams', () => {
  it('drops a turn that has been silent long enough, but keeps its readers', async () => {
    const streams = new MemoryStreams({ keepMs: 20 });
    const reader = new KeepingReader(streams, 'read');
    for (const turnId of ['read', 'unread']) for (const piece of piecesOf('Once upon ')) streams.write(turnId, piece);
    await eventually('both are forgotten', async () =>
      (await Promise.all([streams.pieces('read'), streams.pieces('unread')])).every(({ length }) => length === 0),
    );
    expect(streams.turnCount).toBe(1);
    await reader.has('Once upon ');
    streams.write('read', { attempt: 1, at: 10, text: 'a time' });
    await reader.has('Once upon a time');
    await reader.leave();
    await eventually('nothing is left', () => streams.turnCount === 0);
    await streams.close();
  });

  it('drops the turn that has been silent longest if all together take too much memory', async () => {
    const streams = new MemoryStreams({ maxTextLength: 30 });
    const text = 'ten units ';
    streams.write('one', { attempt: 1, at: 0, text });
    streams.write('two', { attempt: 1, at: 0, text });
    streams.write('one', { attempt: 1, at: 10, text });
    streams.write('three', { attempt: 1, at: 0, text });
    expect(await streams.pieces('two')).toEqual([]);
    expect(await streams.pieces('one')).toEqual([{ attempt: 1, at: 0, text: text + text }]);
    expect(await streams.pieces('three')).toEqual([{ attempt: 1, at: 0, text }]);
    await streams.close();
  });

  it('keeps nothing for readers that left before any piece arrived', async () => {
    const streams = new MemoryStreams();
    const readers = Array.from({ length: 100 }, (_, index) => new KeepingReader(streams, `turn ${index % 10}`));
    expect(streams.turnCount).toBe(10);
    await Promise.all(readers.map((reader) => reader.leave()));
    expect(streams.turnCount).toBe(0);
    await streams.close();
  });
});
