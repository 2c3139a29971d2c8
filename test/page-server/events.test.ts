import { connect, type Socket } from 'node:net';
import { type PageData, pagePaths, type PageProblem } from '../../src/contract/page';
import { LedgerUnavailableError } from '../../src/contract/ledger';
import { UnknownRolloutError } from '../../src/operator/trail';
import { eventually } from '../support/eventually';
import { EventReader, logIn, pageData, type PageProcess, type PageService, preparePageService } from './page-service';

let service: PageService;
let server: PageProcess;
let cookie: string;
let readers: EventReader[];
beforeEach(async () => {
  service = await preparePageService();
  server = await service.start({ parts: { limits: { pollMs: 20, checkMs: 50 } } });
  cookie = await logIn(server.url, (await service.createKey({ name: 'ann' })).text);
  readers = [];
});
afterEach(async () => {
  for (const reader of readers) reader.close();
  await service.stop();
});

async function open(url = server.url, as = cookie, query = ''): Promise<EventReader> {
  const reader = await EventReader.open(url, as, query);
  readers.push(reader);
  return reader;
}

const problemOf = async (answer: Response) => ({ status: answer.status, ...((await answer.json()) as PageProblem) });

/** Has the page say something else. */
function change(todayNanoUsd: number): void {
  service.shown = pageData({ money: { ...pageData().money, todayNanoUsd } });
}

const costs = (reader: EventReader) => reader.of('data').map((data) => (data as PageData).money.todayNanoUsd);
const codes = (reader: EventReader) => reader.of('problem').map((problem) => (problem as PageProblem).code);

test('a viewer gets the page at once, then what has changed, and in between only the time', async () => {
  const reader = await open();
  expect(reader.answer.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  });
  await eventually('the page', () => reader.of('data').length === 1);
  expect(reader.of('data')[0]).toEqual(pageData({ viewer: { name: 'ann', mayOperate: true } }));
  service.shown = { ...service.shown, atMs: 2_000 };
  await eventually('a tick', () => reader.of('tick').some((tick) => (tick as { atMs: number }).atMs === 2_000));
  expect(reader.of('data')).toHaveLength(1);
  change(7);
  await eventually('the change', () => reader.of('data').length === 2);
  expect(costs(reader)).toEqual([0, 7]);
});

test('all viewers share one reading of the ledger, and see who they are', async () => {
  let release = (): void => undefined;
  const viewers = await Promise.all(
    ['bob', 'cho', 'dee'].map(async (name) =>
      logIn(server.url, (await service.createKey({ name, role: 'viewer' })).text),
    ),
  );
  const all = [await open(), ...(await Promise.all(viewers.map((each) => open(server.url, each))))];
  await eventually('all have the page', () => all.every((reader) => reader.of('data').length === 1));
  expect(all.map((reader) => (reader.of('data')[0] as PageData).viewer)).toEqual([
    { name: 'ann', mayOperate: true },
    ...['bob', 'cho', 'dee'].map((name) => ({ name, mayOperate: false })),
  ]);
  // While one reading is held, nobody starts another one.
  const held = new Promise<void>((resolve) => (release = resolve));
  service.beforeRead = () => held;
  const before = service.reads;
  await eventually('a reading is held', () => service.reads === before + 1);
  const asking = [open(), fetch(`${server.url}${pagePaths.data}`, { headers: { cookie } })] as const;
  change(5);
  release();
  await Promise.all(asking);
  await eventually('all see the change', () => all.every((reader) => costs(reader).includes(5)));
  for (const reader of all) expect(costs(reader)).toEqual([0, 5]);
});

test('nothing is read while nobody looks', async () => {
  const reader = await open();
  await eventually('it is read again and again', () => service.reads > 3);
  reader.close();
  // A reading that is over when nobody looks any more is the last one.
  let before = -1;
  await eventually('the readings end', async () => {
    const same = service.reads === before;
    before = service.reads;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return same && service.reads === before;
  });
});

test('a viewer who does not read costs no more than the newest page, and gets it when he reads on', async () => {
  const long = 'x'.repeat(2_000_000);
  const socket = await rawEvents(server.url, cookie);
  socket.pause();
  const watching = await open();
  for (let cost = 1; cost <= 30; cost += 1) {
    service.shown = pageData({
      service: { ...pageData().service, version: long },
      money: { ...pageData().money, todayNanoUsd: cost },
    });
    await eventually('the other viewer sees it', () => costs(watching).includes(cost));
  }
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  socket.resume();
  await eventually('the newest page', () => received.includes('"todayNanoUsd":30,'));
  // 60 MB were shown to the other one. What the connection itself held is a few of them at most.
  expect(received.length).toBeLessThan(15 * long.length);
  socket.destroy();
});

test('a viewer who has stopped reading for too long is let go', async () => {
  server = await service.start({ parts: { limits: { pollMs: 20, checkMs: 50, maxBehindMs: 100 } } });
  const socket = await rawEvents(server.url, cookie);
  socket.pause();
  let isClosed = false;
  socket.on('error', () => undefined).on('close', () => (isClosed = true));
  const watching = await open(server.url);
  await eventually('it is closed', () => {
    const cost = Math.max(...costs(watching), 0);
    service.shown = pageData({
      service: { ...pageData().service, version: 'x'.repeat(1_000_000) },
      money: { ...pageData().money, todayNanoUsd: cost + 1 },
    });
    // A paused socket sees its end only when it reads.
    if (cost > 40) socket.resume();
    return isClosed;
  });
});

test('a viewer who leaves while the page is read for him takes no room', async () => {
  server = await service.start({ parts: { limits: { pollMs: 20, maxViewers: 1 } } });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  service.beforeRead = () => held;
  const leaving = new AbortController();
  const left = fetch(`${server.url}${pagePaths.events}`, { headers: { cookie }, signal: leaving.signal });
  await eventually('it is read', () => service.reads === 1);
  leaving.abort();
  await expect(left).rejects.toThrow();
  await eventually('the server knows', () => server.ended.includes(pagePaths.events));
  release();
  expect((await open(server.url)).answer.statusCode).toBe(200);
});

test('a logged-out viewer who does not read is told nothing more, and let go', async () => {
  server = await service.start({ parts: { limits: { pollMs: 20, checkMs: 50, maxBehindMs: 500 } } });
  const { id, text } = await service.createKey();
  const socket = await rawEvents(server.url, await logIn(server.url, text));
  socket.pause();
  const watching = await open(server.url);
  const showNext = async (cost: number): Promise<void> => {
    service.shown = pageData({
      service: { ...pageData().service, version: 'x'.repeat(1_000_000) },
      money: { ...pageData().money, todayNanoUsd: cost },
    });
    await eventually('the other viewer sees it', () => costs(watching).includes(cost));
  };
  for (let cost = 1; cost <= 10; cost += 1) await showNext(cost);
  await service.ledger.keys.revoke(id, Date.now());
  let cost = 10;
  await eventually('he is let go', async () => {
    cost += 1;
    await showNext(cost);
    return server.ended.includes(pagePaths.events);
  });
  socket.destroy();
});

test('the streams of a revoked key end, with the reason, and those of others go on', async () => {
  const other = await service.createKey({ name: 'bob' });
  const [mine, others] = [await open(), await open(server.url, await logIn(server.url, other.text))];
  await service.ledger.keys.revoke(other.id, Date.now());
  await eventually('it ends', () => others.isEnded);
  expect(codes(others)).toEqual(['logged_out']);
  await eventually('the other goes on', () => mine.of('tick').length > 3);
  expect(mine.isEnded).toBe(false);
  expect((await EventReader.open(server.url, cookie)).answer.statusCode).toBe(200);
});

test('a stream ends when its key expires', async () => {
  const expiresAtMs = Date.now() + 1_500;
  const { text } = await service.createKey({ expiresAtMs });
  const reader = await open(server.url, await logIn(server.url, text));
  await eventually('it ends', () => reader.isEnded);
  expect(codes(reader)).toEqual(['logged_out']);
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs);
});

test('a logout ends the streams of the session at every gateway', async () => {
  const other = await service.start({ parts: { limits: { pollMs: 20, checkMs: 50 } } });
  const both = [await open(), await open(other.url)];
  await fetch(`${server.url}${pagePaths.logout}`, { method: 'POST', headers: { cookie } });
  await eventually('both end', () => both.every(({ isEnded }) => isEnded));
  expect(both.map(codes)).toEqual([['logged_out'], ['logged_out']]);
});

test('while the ledger is away viewers are told, and see the page again when it is back', async () => {
  const reader = await open();
  service.beforeRead = () => Promise.reject(new LedgerUnavailableError('away'));
  await eventually('it is told', () => codes(reader).includes('ledger_unavailable'));
  const answer = await fetch(`${server.url}${pagePaths.data}`, { headers: { cookie } });
  expect([answer.status, ((await answer.json()) as PageProblem).code]).toEqual([503, 'ledger_unavailable']);
  service.beforeRead = async () => undefined;
  change(3);
  await eventually('it is back', () => costs(reader).includes(3));
});

test('an unknown rollout is a 404 and no stream', async () => {
  service.beforeRead = () => Promise.reject(new UnknownRolloutError('nothing'));
  for (const path of [pagePaths.events, pagePaths.data]) {
    const answer = await fetch(`${server.url}${path}?rollout=nothing`, { headers: { cookie } });
    expect([answer.status, ((await answer.json()) as PageProblem).code]).toEqual([404, 'unknown_rollout']);
  }
});

test('whoever comes when there is no room is told, and can still ask for the data', async () => {
  server = await service.start({ parts: { limits: { maxViewers: 2, maxRollouts: 2 } } });
  const [first] = [await open(server.url), await open(server.url)];
  const refused = await fetch(`${server.url}${pagePaths.events}`, { headers: { cookie } });
  expect([refused.status, ((await refused.json()) as PageProblem).code]).toEqual([503, 'too_many_viewers']);
  expect((await fetch(`${server.url}${pagePaths.data}`, { headers: { cookie } })).status).toBe(200);
  first.close();
  await eventually('there is room again', async () => {
    const reader = await open(server.url);
    return reader.answer.statusCode === 200;
  });
});

test('rollouts that nobody looks at make room for others', async () => {
  server = await service.start({ parts: { limits: { maxRollouts: 2 } } });
  const ask = (rollout: string) =>
    fetch(`${server.url}${pagePaths.data}?rollout=${rollout}`, { headers: { cookie } }).then(({ status }) => status);
  expect([await ask('a'), await ask('b'), await ask('c')]).toEqual([200, 200, 200]);
  await open(server.url, cookie, '?rollout=x');
  await open(server.url, cookie, '?rollout=y');
  expect([await ask('x'), await ask('z')]).toEqual([200, 503]);
});

test('one key cannot take the room of the others, however often it logs in', async () => {
  server = await service.start({ parts: { limits: { maxViewers: 4, maxViewersOfKey: 2 } } });
  const { text } = await service.createKey({ role: 'viewer' });
  const cookies = [await logIn(server.url, text), await logIn(server.url, text), await logIn(server.url, text)];
  const [first] = [await open(server.url, cookies[0]), await open(server.url, cookies[1])];
  const refused = await fetch(`${server.url}${pagePaths.events}`, { headers: { cookie: cookies[2] ?? '' } });
  expect(await problemOf(refused)).toMatchObject({ status: 503, code: 'too_many_viewers' });
  expect([(await open(server.url)).answer.statusCode, (await open(server.url)).answer.statusCode]).toEqual([200, 200]);
  first.close();
  await eventually('the key has room again', async () => {
    return (await open(server.url, cookies[2])).answer.statusCode === 200;
  });
});

test('streams that one key opens at the same time do not exceed its limit', async () => {
  server = await service.start({ parts: { limits: { maxViewersOfKey: 2, maxRolloutsOfKey: 2 } } });
  const all = await Promise.all(['a', 'b', 'c', 'd'].map((name) => open(server.url, cookie, `?rollout=${name}`)));
  expect(all.map(({ answer }) => answer.statusCode).toSorted()).toEqual([200, 200, 503, 503]);
});

test('one key cannot look at so many rollouts that others see none', async () => {
  server = await service.start({ parts: { limits: { maxRollouts: 3, maxRolloutsOfKey: 2 } } });
  const viewer = await logIn(server.url, (await service.createKey({ role: 'viewer' })).text);
  const get = (as: string, query: string) =>
    fetch(`${server.url}${pagePaths.data}${query}`, { headers: { cookie: as } });
  for (const name of ['a', 'b']) await open(server.url, viewer, `?rollout=${name}`);
  // The newest rollout, and those that it looks at already, take no more room.
  for (const query of ['', '?rollout=a']) expect((await open(server.url, viewer, query)).answer.statusCode).toBe(200);
  const refused = await problemOf(await get(viewer, '?rollout=c'));
  expect(refused).toMatchObject({ status: 503, code: 'too_many_rollouts' });
  expect(refused.message).toContain('2 rollouts');
  expect((await open(server.url, cookie, '?rollout=c')).answer.statusCode).toBe(200);
});

test('rollouts whose data is being read for a key count as well', async () => {
  server = await service.start({ parts: { limits: { maxRolloutsOfKey: 1 } } });
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  service.beforeRead = () => held;
  const ask = (rollout: string) => fetch(`${server.url}${pagePaths.data}?rollout=${rollout}`, { headers: { cookie } });
  const first = ask('a');
  await eventually('it is read', () => service.reads === 1);
  expect((await ask('b')).status).toBe(503);
  release();
  expect((await first).status).toBe(200);
  expect((await ask('b')).status).toBe(200);
});

test('the newest rollout has a place although as many as there is room for are looked at', async () => {
  server = await service.start({ parts: { limits: { maxRollouts: 2 } } });
  for (const name of ['a', 'b']) await open(server.url, cookie, `?rollout=${name}`);
  expect((await fetch(`${server.url}${pagePaths.data}`, { headers: { cookie } })).status).toBe(200);
  const reader = await open(server.url);
  await eventually('the page', () => reader.of('data').length === 1);
});

test('data that has not changed is a 304, for the same viewer', async () => {
  const get = (headers: Record<string, string>) =>
    fetch(`${server.url}${pagePaths.data}`, { headers: { cookie, ...headers } });
  const etag = (await get({})).headers.get('etag') ?? '';
  const again = await get({ 'if-none-match': etag });
  expect([again.status, await again.text()]).toEqual([304, '']);
  const viewer = await logIn(server.url, (await service.createKey({ role: 'viewer' })).text);
  expect((await get({ 'if-none-match': etag, cookie: viewer })).status).toBe(200);
  change(9);
  await eventually('the change is seen', async () => (await get({ 'if-none-match': etag })).status === 200);
});

test('a server that stops ends its streams at once, with the reason', async () => {
  const reader = await open();
  await server.close();
  await eventually('it ends', () => reader.isEnded);
  expect(codes(reader)).toEqual(['gateway_stopping']);
});

/** A connection on which the events come, with nobody who reads them. */
function rawEvents(url: string, as: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(`GET ${pagePaths.events} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncookie: ${as}\r\n\r\n`);
    });
    socket.once('error', reject).once('readable', () => resolve(socket));
  });
}
