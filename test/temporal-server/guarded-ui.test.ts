import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type GuardedUi, startGuardedUi, uiToken } from '../../src/temporal-server/guarded-ui';
import { sendAs } from '../support/send-as';

const token = 'a-token-of-the-tests';

/** Stands in for Temporal's UI, and records its requests. */
let upstream: Server;
let ui: GuardedUi;
let origin: string;
let asked: string[];

beforeEach(async () => {
  asked = [];
  upstream = createServer((request, answer) => {
    void text(request).then((body) => {
      asked.push(`${request.method} ${request.url} ${body}`);
      answer.setHeader('set-cookie', '_csrf=x').setHeader('content-security-policy', "base-uri 'self'");
      answer.setHeader('x-frame-options', 'SAMEORIGIN').end('of the UI');
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port } = upstream.address() as AddressInfo;
  ui = await startGuardedUi({ upstream: `http://127.0.0.1:${port}`, port: 0, token });
  ({ origin } = new URL(ui.link));
});

afterEach(async () => {
  await ui.close();
  upstream.closeAllConnections();
  upstream.close();
});

/** The cookie that a browser has after following the link. */
async function cookie(): Promise<string> {
  const { headers } = await sendAs(ui.link, {});
  return String(headers['set-cookie']).split(';')[0] ?? '';
}

test('the link sets a cookie that no script can read and no other site sends, and redirects without the token', async () => {
  const entrance = await sendAs(ui.link, {});
  expect(entrance.status).toBe(200);
  expect(String(entrance.headers['set-cookie'])).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(entrance.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
  expect(entrance.body).toContain('url=/"');
  expect(asked).toEqual([]);
});

test('with the cookie, requests reach the UI unchanged', async () => {
  const headers = { cookie: `other=1; ${await cookie()}`, origin, 'content-type': 'application/json' };
  const path = `/api/v1/namespaces/default/workflows/conversation%2F${'s'.repeat(300)}?next=%2B`;
  const answer = await sendAs(`${origin}${path}`, headers, { method: 'POST', body: '{"a":1}' });
  expect(answer).toMatchObject({ status: 200, body: 'of the UI', headers: { 'set-cookie': ['_csrf=x'] } });
  expect(asked).toEqual([`POST ${path} {"a":1}`]);
});

test.each([
  ['nothing', {}],
  ['another cookie', { cookie: 'bellwether-ui-1=a-token-of-the-tests' }],
])('with %s, the answer says which link opens the UI', async (_title, headers) => {
  for (const path of ['/', '/?token=guessed', '/?token=a&token=b', '/api/v1/namespaces']) {
    const answer = await sendAs(`${origin}${path}`, headers);
    expect(answer).toMatchObject({ status: 401, body: expect.stringContaining('`bellwether up` prints') });
  }
  expect(asked).toEqual([]);
});

test.each([
  ['another host', { host: 'evil.example' }],
  ['another origin', { origin: 'http://evil.example' }],
  ['a sandboxed page', { origin: 'null' }],
  ['a page on another port of this machine', { origin: 'http://127.0.0.1:1' }],
])('%s is refused, whatever it sends', async (_title, headers) => {
  const all = { cookie: await cookie(), ...headers };
  for (const url of [ui.link, `${origin}/api/v1/namespaces`]) {
    expect(await sendAs(url, all)).toMatchObject({ status: 403 });
    expect(await sendAs(url, all, { method: 'POST', body: '{}' })).toMatchObject({ status: 403 });
  }
  expect(asked).toEqual([]);
});

test.each(['same-site', 'cross-site', 'anything'])(
  'a request that a browser marks as coming from a page of another origin is refused: %s',
  async (site) => {
    const headers = { cookie: await cookie(), 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' };
    for (const path of ['/', '/api/v1/namespaces', '/?token=guessed']) {
      const answer = await sendAs(`${origin}${path}`, headers);
      expect(answer).toMatchObject({ status: 403, body: expect.stringContaining('`bellwether up` prints') });
    }
    expect(asked).toEqual([]);
  },
);

test('the link may be on any page', async () => {
  const entrance = await sendAs(ui.link, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' });
  expect(entrance.status).toBe(200);
  expect(String(entrance.headers['set-cookie'])).toContain(token);
});

test.each(['same-origin', 'none'])('the UI’s own pages and what the user opens are allowed: %s', async (site) => {
  const headers = { cookie: await cookie(), 'sec-fetch-site': site };
  expect(await sendAs(`${origin}/`, headers)).toMatchObject({ status: 200 });
  expect(asked).toEqual(['GET / ']);
});

test('no answer may be framed, and the UI’s own policy stays', async () => {
  const answers = [
    await sendAs(ui.link, {}),
    await sendAs(`${origin}/`, {}),
    await sendAs(`${origin}/`, { host: 'evil.example' }),
    await sendAs(`${origin}/`, { cookie: await cookie() }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 403, 200]);
  expect(answers.map(({ headers }) => headers['x-frame-options'])).toEqual(answers.map(() => 'DENY'));
  const ours = "frame-ancestors 'none'";
  expect(answers.map(({ headers }) => headers['content-security-policy'])).toEqual([
    ...[ours, ours, ours],
    `base-uri 'self', ${ours}`,
  ]);
});

test('if the UI does not answer, the error says so without its address', async () => {
  const headers = { cookie: await cookie() };
  const { port } = upstream.address() as AddressInfo;
  upstream.closeAllConnections();
  upstream.close();
  const answer = await sendAs(`${origin}/`, headers);
  expect(answer).toMatchObject({ status: 502, body: expect.stringContaining('does not answer') });
  expect(answer.body).not.toContain(String(port));
});

test('if the port is taken, the error says what to do', async () => {
  const { port } = upstream.address() as AddressInfo;
  await expect(startGuardedUi({ upstream: origin, port, token })).rejects.toThrow(/is taken.*--ui-port/);
});

describe('the token', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ui-token-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test('is kept, readable only by its owner', async () => {
    const first = await uiToken(directory);
    expect(await uiToken(directory)).toBe(first);
    expect((await stat(join(directory, 'temporal-ui-token'))).mode & 0o777).toBe(0o600);
  });

  test.each(['', '\n', 'short', 'x'.repeat(44)])('is created again if its file holds %j', async (content) => {
    await writeFile(join(directory, 'temporal-ui-token'), content);
    expect(await uiToken(directory)).toMatch(/^[\w-]{43}$/);
  });
});
