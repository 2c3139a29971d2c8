import { Redis } from 'ioredis';
import type { StreamPiece, TurnStreams } from '../../src/contract/stream';
import { openTurnStreams } from '../../src/streams/open-streams';
import { eventually } from '../support/eventually';
import { describeWithRedis, startRedis, type TestRedis } from '../support/redis';
import { unique } from '../support/temporal';
import { answerOf, describeTurnStreams, KeepingReader, piecesOf } from './stream-suite';

const password = 'hunter2-%/@:';
const story = 'Once upon a midnight dreary, while I pondered, weak and weary';

/** Everything that a test opens; closed after the test. */
let opened: (TurnStreams | Redis | KeepingReader)[] = [];
const closeOpened = async () => {
  const closing = opened;
  opened = [];
  for (const it of closing.filter((one) => one instanceof KeepingReader)) await it.leave();
  for (const it of closing) if ('close' in it) await it.close();
  for (const it of closing) if (it instanceof Redis) it.disconnect();
};

const open = (url: string, log?: string[]): TurnStreams => {
  const tell = (message: string) => void log?.push(message);
  const streams = openTurnStreams(url, { info: tell, warn: tell });
  opened.push(streams);
  return streams;
};
const read = (streams: TurnStreams, turnId: string): KeepingReader => {
  const reader = new KeepingReader(streams, turnId);
  opened.push(reader);
  return reader;
};
const ask = (url: string): Redis => {
  const client = new Redis(url);
  opened.push(client);
  return client;
};
const write = (streams: TurnStreams, turnId: string, pieces: readonly StreamPiece[]) => {
  for (const piece of pieces) streams.write(turnId, piece);
};
const halves = (pieces: readonly StreamPiece[]) => [pieces.slice(0, 4), pieces.slice(4)] as const;

describeWithRedis('streams through Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis({ password });
  });
  afterEach(closeOpened);
  afterAll(() => redis.stop());

  describeTurnStreams('between the streams of two processes', () => {
    const [writing, reading] = [openTurnStreams(redis.url), openTurnStreams(redis.url)];
    const close = async () => void (await Promise.all([writing.close(), reading.close()]));
    return { writing, reading, close };
  });

  it('lets every key expire', async () => {
    const [writer, gateway, client] = [open(redis.url), open(redis.url), ask(redis.url)];
    const turnId = unique('turn');
    await read(gateway, unique('turn')).leave(); // the next one has to wake up the read that waits
    const reader = read(gateway, turnId);
    write(writer, turnId, piecesOf(story));
    await reader.has(story);
    const keys = await client.keys('*');
    expect(keys).toContain(`bellwether:turn-stream:${turnId}`);
    const neverEnds = -1; // of one that has ended meanwhile it is another
    for (const key of keys) {
      const seconds = await client.ttl(key);
      expect(seconds).not.toBe(neverEnds);
      expect(seconds).toBeLessThanOrEqual(3_600);
    }
  });

  it('serves 200 readers of 100 turns over two connections, and a writer over one', async () => {
    const [writer, gateway, client] = [open(redis.url), open(redis.url), ask(redis.url)];
    const turnIds = Array.from({ length: 100 }, () => unique('turn'));
    const before = await connectionCount(client);
    const readers = [...turnIds, ...turnIds].map((turnId) => read(gateway, turnId));
    for (const turnId of turnIds) write(writer, turnId, piecesOf(story));
    await Promise.all(readers.map((reader) => reader.has(story)));
    // A connection that was replaced counts until Redis notices.
    await eventually('three more are open', async () => (await connectionCount(client)) - before <= 3);
  });

  it('joins pieces that arrive faster than Redis accepts them', async () => {
    const [writer, gateway] = [open(redis.url), open(redis.url)];
    const turnId = unique('turn');
    const pieces = piecesOf('word '.repeat(2_000));
    write(writer, turnId, pieces);
    await eventually('all is there', async () => answerOf(await gateway.pieces(turnId)) === 'word '.repeat(2_000));
    expect((await gateway.pieces(turnId)).length).toBeLessThan(10);
  });

  it('gives a process its own pieces, even before Redis has accepted them', async () => {
    const writer = open(redis.url);
    const turnId = unique('turn');
    write(writer, turnId, piecesOf(story));
    expect(answerOf(await writer.pieces(turnId))).toBe(story);
  });

  it('ignores foreign entries', async () => {
    const [writer, gateway, client] = [open(redis.url), open(redis.url), ask(redis.url)];
    const turnId = unique('turn');
    for (const value of ['no JSON', '{}', '[]', '["1",0,"text"]']) {
      await client.xadd(`bellwether:turn-stream:${turnId}`, '*', 'piece', value);
    }
    await client.xadd(`bellwether:turn-stream:${turnId}`, '*', 'other', 'field');
    write(writer, turnId, piecesOf(story));
    const reader = read(gateway, turnId);
    await reader.has(story);
    await hasPieces(gateway, turnId, story);
  });
});

describeWithRedis('streams through a Redis that fails', () => {
  let redis: TestRedis;
  beforeEach(async () => {
    redis = await startRedis({ password });
  });
  afterEach(closeOpened);
  afterEach(() => redis.stop());

  it.each(['kept', 'lost'] as const)('continue after a restart in the middle, with its data %s', async (data) => {
    const logs: [string[], string[]] = [[], []];
    const [writer, gateway] = [open(redis.url, logs[0]), open(redis.url, logs[1])];
    const isToldBy = (what: RegExp) => () => logs.every((log) => what.test(log.at(-1) ?? ''));
    const turnId = unique('turn');
    const reader = read(gateway, turnId);
    const [before, after] = halves(piecesOf(story));
    write(writer, turnId, before);
    await reader.has(answerOf(before));
    await redis.kill();
    const [during, last] = halves(after);
    write(writer, turnId, during);
    await eventually('it is noticed', isToldBy(/is unavailable/));
    expect(await gateway.pieces(turnId)).toEqual([]);
    await redis.restart(data);
    await reader.has(answerOf([...before, ...during]));
    write(writer, turnId, last);
    await reader.has(story);
    expect(answerOf(await writer.pieces(turnId))).toBe(story);

    const late = read(open(redis.url), turnId);
    if (data === 'kept') await late.has(story);
    else await eventually('a late reader has later pieces', () => endOf(late.pieces) === story.length);
    expect(late.text).toBe(data === 'kept' ? story : '');
    await eventually('it is told', isToldBy(/is back/));
    for (const log of logs.map((lines) => lines.join('\n'))) {
      // Once when Redis goes down and once when it is back; if the machine stalls, it may go down twice.
      expect(log).toMatch(
        /^(Redis at 127\.0\.0\.1:\d+ is unavailable \(\w+\)\. Until it is back, answers arrive in one piece.*\n.*is back.*\n?)+$/,
      );
      for (const secret of [password, encodeURIComponent(password), 'Once', 'midnight']) {
        expect(log).not.toContain(secret);
      }
    }
  });

  it('continue with another Redis whose clock is behind the previous one’s', async () => {
    const [writer, gateway, client] = [open(redis.url), open(redis.url), ask(redis.url)];
    const turnId = unique('turn');
    const reader = read(gateway, turnId);
    const ofTheFuture = '99999999999999-0';
    await client.xadd(`bellwether:turn-stream:${turnId}`, ofTheFuture, 'piece', JSON.stringify([1, 0, 'Once ']));
    await reader.has('Once ');
    client.disconnect();
    await redis.kill();
    await redis.restart('lost');
    write(writer, turnId, piecesOf(story).slice(1));
    await reader.has(story);
  });

  it('begin as soon as a Redis that was down at the start is up', async () => {
    await redis.kill();
    const [writer, gateway] = [open(redis.url), open(redis.url)];
    const turnId = unique('turn');
    const reader = read(gateway, turnId);
    write(writer, turnId, piecesOf(story));
    expect(await gateway.pieces(turnId)).toEqual([]);
    await redis.restart('kept');
    await reader.has(story);
    await hasPieces(gateway, turnId, story);
  });

  it('do not wait for a Redis that hangs, and continue when it answers again', async () => {
    const [writer, gateway] = [open(redis.url), open(redis.url)];
    const turnId = unique('turn');
    const reader = read(gateway, turnId);
    const [before, after] = halves(piecesOf(story));
    write(writer, turnId, before);
    await reader.has(answerOf(before));
    redis.pause();
    write(writer, turnId, after);
    expect(await gateway.pieces(turnId)).toEqual([]);
    await reader.leave();
    redis.resume();
    await read(gateway, turnId).has(story);
  });

  it('buffer a bounded amount while Redis is down, and keep the newest turns', async () => {
    await redis.kill();
    const writer = open(redis.url);
    const turnIds = Array.from({ length: 40 }, () => unique('turn'));
    const text = 'x'.repeat(1_000_000); // two megabytes in memory
    for (const turnId of turnIds) write(writer, turnId, [{ attempt: 1, at: 0, text }]);
    await redis.restart('lost');
    const client = ask(redis.url);
    const isThere = async (turnId: string | undefined) => (await client.exists(`bellwether:turn-stream:${turnId}`)) > 0;
    await eventually('the newest turn is there', () => isThere(turnIds.at(-1)));
    const kept = await Promise.all(turnIds.map(isThere));
    expect(kept.slice(1, 20)).toEqual(Array(19).fill(false)); // the first was on its way already
    expect(kept.filter(Boolean).length).toBeGreaterThan(10);
  });

  it('leave nothing open if they are closed while Redis is up, down or hanging', async () => {
    const openSockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const before = openSockets();
    const hinderances = [() => undefined, () => redis.kill(), () => redis.restart('kept').then(() => redis.pause())];
    for (const hinder of hinderances) {
      const [used, unused] = [open(redis.url), open(redis.url)];
      const reader = read(used, unique('turn'));
      const turnId = unique('turn');
      write(used, turnId, piecesOf(story));
      await used.pieces(turnId);
      await hinder();
      const [first, ...others] = [openTurnStreams(redis.url), used, unused];
      write(first, unique('turn'), piecesOf(story));
      const readerOfFirst = read(first, unique('turn'));
      await Promise.all([first, ...others].map((streams) => streams.close()));
      await Promise.all([reader.ended, readerOfFirst.ended]);
      // Fewer if an earlier connection had not closed yet.
      expect(openSockets()).toBeLessThanOrEqual(before);
    }
  });

  it('write everything before they close', async () => {
    const [writer, gateway] = [open(redis.url), open(redis.url)];
    const turnId = unique('turn');
    const [first, ...others] = piecesOf(story);
    const reader = read(gateway, turnId);
    write(writer, turnId, [first as StreamPiece]);
    await reader.has('Once ');
    write(writer, turnId, others);
    const startedAtMs = performance.now();
    await writer.close();
    // For a second at most: closing does not wait longer for a stalled Redis or machine.
    if (performance.now() - startedAtMs < 900) await reader.has(story);
  });
});

/** `pieces` waits only a short time for Redis, so this asks again. */
async function hasPieces(streams: TurnStreams, turnId: string, text: string): Promise<void> {
  await eventually('the pieces are there', async () => answerOf(await streams.pieces(turnId)) === text);
}

async function connectionCount(client: Redis): Promise<number> {
  const list = (await client.client('LIST')) as string;
  return list.trimEnd().split('\n').length;
}

/** How far into the answer the pieces reach. */
function endOf(pieces: readonly StreamPiece[]): number {
  return Math.max(0, ...pieces.map(({ at, text }) => at + text.length));
}
