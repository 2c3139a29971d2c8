import { networkInterfaces } from 'node:os';
import { LedgerUnavailableError } from '../../src/contract/ledger';
import { pagePaths, type PageProblem } from '../../src/contract/page';
import { wrongLoginsPerMinute } from '../../src/page-server/login-routes';
import { sendAs } from '../support/send-as';
import {
  cookieOf,
  logIn,
  type PageProcess,
  type PageService,
  pageData,
  post,
  preparePageService,
} from './page-service';

/** It looks like a key, so it has to be looked up. */
const unknownKey = `bw_${'0'.repeat(12)}_${'A'.repeat(43)}`;

let service: PageService;
let server: PageProcess;
beforeEach(async () => {
  service = await preparePageService();
  server = await service.start();
});
afterEach(() => service.stop());

const problemOf = async (answer: Response) => ({ status: answer.status, ...((await answer.json()) as PageProblem) });
const getData = (url: string, cookie: string) => fetch(`${url}${pagePaths.data}`, { headers: { cookie } });

test('everybody gets the page, which holds nothing, and nobody gets data without a login', async () => {
  for (const path of [pagePaths.page, pagePaths.login]) {
    const answer = await fetch(`${server.url}${path}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const html = await answer.text();
    expect(html).toContain(pagePaths.script);
    expect(html).not.toMatch(/<script[^>]*>[^<]|<style|style=|\son\w+=/);
  }
  for (const path of [pagePaths.data, pagePaths.events, `${pagePaths.session}?id=s`]) {
    expect(await problemOf(await fetch(`${server.url}${path}`))).toMatchObject({ status: 401, code: 'not_logged_in' });
  }
  expect((await post(server.url, pagePaths.command, {})).status).toBe(401);
  expect((await post(server.url, pagePaths.logout)).status).toBe(401);
});

test('a key is exchanged for a cookie that scripts cannot read and other sites cannot send', async () => {
  const { text } = await service.createKey({ name: 'ann' });
  const answer = await post(server.url, pagePaths.login, { key: ` ${text}\n` });
  expect(answer.status).toBe(204);
  const [cookie] = answer.headers.getSetCookie();
  expect(cookie).toMatch(/^bellwether_page=[\w-]{43}; Max-Age=43200; Path=\/page; HttpOnly; SameSite=Strict$/);
  expect(cookie).not.toContain(text);
  const data = await getData(server.url, cookieOf(answer));
  expect(data.headers.get('cache-control')).toBe('no-store');
  expect(await data.json()).toEqual(pageData({ viewer: { name: 'ann', mayOperate: true } }));
});

test.each([
  ['no key at all', 'sk-123', 'not a key of this service'],
  ['an empty one', '', 'missing'],
  ['an unknown one', unknownKey, 'no such key'],
])('%s does not log in', async (_, key, message) => {
  const refused = await problemOf(await post(server.url, pagePaths.login, { key }));
  expect(refused).toMatchObject({ status: 401, code: 'wrong_login' });
  expect(refused.message).toContain(message);
});

test('a revoked key, an expired one, and one with a wrong secret do not log in', async () => {
  const revoked = await service.createKey();
  await service.ledger.keys.revoke(revoked.id, Date.now());
  const expired = await service.createKey({ expiresAtMs: Date.now() - 1 });
  const right = await service.createKey();
  const forged = `${right.text.slice(0, -43)}${'A'.repeat(43)}`;
  for (const [key, word] of [
    [revoked.text, 'revoked'],
    [expired.text, 'expired'],
    [forged, 'no such key'],
  ] as const) {
    const refused = await problemOf(await post(server.url, pagePaths.login, { key }));
    expect(refused.status).toBe(401);
    expect(refused.message).toContain(word);
    expect(service.logged.join('')).not.toContain(key.slice(-43));
  }
});

test.each(['chat', 'metrics'] as const)('a key of the role %s is told which roles the page needs', async (role) => {
  const { text } = await service.createKey({ role });
  const refused = await problemOf(await post(server.url, pagePaths.login, { key: text }));
  expect(refused).toMatchObject({ status: 403, code: 'wrong_key_role' });
  expect(refused.message).toContain(`its role is ${role}`);
  expect(refused.message).toContain('operator or viewer');
});

test.each([[{}], [{ key: 1 }], [{ key: 'x'.repeat(201) }], [{ code: 'x', key: 'y' }], [[]], ['text']])(
  'a login of %j is refused with what is wrong',
  async (body) => {
    expect(await problemOf(await post(server.url, pagePaths.login, body))).toMatchObject({ status: 400 });
  },
);

test('a body that is no JSON, or too long, is refused', async () => {
  const send = (body: string, type: string) =>
    fetch(`${server.url}${pagePaths.login}`, { method: 'POST', body, headers: { 'content-type': type } });
  expect((await send('{"key":', 'application/json')).status).toBe(400);
  expect((await send('key=1', 'application/x-www-form-urlencoded')).status).toBe(415);
  expect((await send(JSON.stringify({ key: 'x'.repeat(17_000) }), 'application/json')).status).toBe(413);
});

test('a login link works once, and its code is nowhere but in the fragment', async () => {
  const { text } = await service.createKey({ name: 'local' });
  const link = new URL(server.page.loginLink(server.url, text));
  expect([link.pathname, link.search]).toEqual([pagePaths.login, '']);
  const code = link.hash.slice(1);
  const answer = await post(server.url, pagePaths.login, { code });
  expect(answer.status).toBe(204);
  expect(await (await getData(server.url, cookieOf(answer))).json()).toMatchObject({ viewer: { name: 'local' } });
  const again = await problemOf(await post(server.url, pagePaths.login, { code }));
  expect(again).toMatchObject({ status: 401, code: 'wrong_login' });
  expect(again.message).toContain('used already');
});

test('a logged-out session is over, and the others of the key go on', async () => {
  const { text } = await service.createKey();
  const [cookie, other] = [await logIn(server.url, text), await logIn(server.url, text)];
  const answer = await post(server.url, pagePaths.logout, undefined, { cookie });
  expect(answer.status).toBe(204);
  expect(answer.headers.getSetCookie()[0]).toMatch(/^bellwether_page=;.*Path=\/page/);
  expect((await getData(server.url, cookie)).status).toBe(401);
  expect((await getData(server.url, other)).status).toBe(200);
});

test('a made-up cookie is nobody, and the ledger does not hold what a cookie holds', async () => {
  const cookie = await logIn(server.url, (await service.createKey()).text);
  for (const id of ['A'.repeat(43), 'short', '%00', `${cookie.split('=')[1]}x`]) {
    expect((await getData(server.url, `bellwether_page=${id}`)).status).toBe(401);
  }
  const hash = (await import('../../src/access/api-key')).hashSecret(cookie.split('=')[1] ?? '').toString('hex');
  const [found] = await service.ledger.pageSessions.findAll([hash]);
  expect(found).toBeDefined();
  expect(JSON.stringify(found)).not.toContain(cookie.split('=')[1]);
});

test('two gateways on one ledger share the cookie and the logout', async () => {
  const other = await service.start();
  const cookie = await logIn(server.url, (await service.createKey()).text);
  expect((await getData(other.url, cookie)).status).toBe(200);
  await post(other.url, pagePaths.logout, undefined, { cookie });
  const until = Date.now() + 10_000;
  while ((await getData(server.url, cookie)).status === 200) expect(Date.now()).toBeLessThan(until);
});

test('after ten wrong logins in a minute a browser has to wait before it may be wrong again; others have not', async () => {
  const from = (client: string) => ({ 'x-forwarded-for': `6.6.6.6, ${client}` });
  const tryWrong = (client: string) => post(server.url, pagePaths.login, { key: unknownKey }, from(client));
  for (let count = 0; count < wrongLoginsPerMinute.ofClient; count += 1) {
    expect((await tryWrong('10.0.0.1')).status).toBe(401);
  }
  const refused = await tryWrong('10.0.0.1');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'too_many_wrong_logins' });
  expect((await tryWrong('10.0.0.2')).status).toBe(401);
});

test('whoever makes up another address with each login has to wait as well, and keeps nobody else out', async () => {
  const { text } = await service.createKey();
  const tryWrong = (client: string) =>
    post(server.url, pagePaths.login, { key: unknownKey }, { 'x-forwarded-for': client });
  for (let count = 0; count < wrongLoginsPerMinute.ofAddress; count += 1) await tryWrong(`10.0.1.${count}`);
  expect((await tryWrong('10.9.9.9')).status).toBe(429);
  const link = new URL(server.page.loginLink(server.url, text));
  expect((await post(server.url, pagePaths.login, { key: text })).status).toBe(204);
  expect((await post(server.url, pagePaths.login, { code: link.hash.slice(1) })).status).toBe(204);
});

test('what does not even look like a key is not counted', async () => {
  for (let count = 0; count <= wrongLoginsPerMinute.ofClient; count += 1) {
    const key = count % 2 === 0 ? 'x' : '';
    expect((await post(server.url, pagePaths.login, { key })).status).toBe(401);
  }
  expect((await post(server.url, pagePaths.login, { key: unknownKey })).status).toBe(401);
});

test('a login that the ledger does not take is told so, and is not counted as wrong', async () => {
  const { text } = await service.createKey();
  jest.spyOn(service.ledger.pageSessions, 'create').mockRejectedValue(new LedgerUnavailableError('away'));
  for (let count = 0; count <= wrongLoginsPerMinute.ofClient; count += 1) {
    const refused = await problemOf(await post(server.url, pagePaths.login, { key: text }));
    expect(refused).toMatchObject({ status: 503, code: 'ledger_unavailable' });
    expect(refused.message).toContain('Try again');
    expect(refused.message).not.toContain('by itself');
  }
});

test('right logins are not counted', async () => {
  const { text } = await service.createKey();
  for (let count = 0; count <= wrongLoginsPerMinute.ofClient; count += 1) await logIn(server.url, text);
});

describe('beyond loopback', () => {
  const address = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address;
  if (address === undefined) throw new Error('This machine has no address but loopback.');
  let open: string;
  beforeEach(async () => {
    const { port } = new URL((await service.start({ host: '0.0.0.0' })).url);
    open = `http://${address}:${port}`;
  });

  test('neither the page nor a login nor a cookie is taken over plain HTTP, and the reason is told', async () => {
    const { text } = await service.createKey();
    const page = await fetch(`${open}${pagePaths.page}`);
    expect(page.status).toBe(403);
    expect(await page.text()).toMatch(/plain HTTP.*HTTPS.*ssh -L/);
    expect(await problemOf(await post(open, pagePaths.login, { key: text }))).toMatchObject({
      status: 403,
      code: 'tls_required',
    });
    const cookie = await logIn(server.url, text);
    expect(await problemOf(await getData(open, cookie))).toMatchObject({ status: 403, code: 'tls_required' });
  });

  test('behind a proxy that ends TLS it works, and the cookie is for HTTPS alone', async () => {
    const { text } = await service.createKey();
    const proxied = { 'x-forwarded-proto': 'https', origin: `https://${new URL(open).host}` };
    const answer = await post(open, pagePaths.login, { key: text }, proxied);
    expect(answer.status).toBe(204);
    expect(answer.headers.getSetCookie()[0]).toContain('; HttpOnly; Secure; SameSite=Strict');
    const headers = { cookie: cookieOf(answer), 'x-forwarded-proto': 'https' };
    expect((await fetch(`${open}${pagePaths.data}`, { headers })).status).toBe(200);
  });

  test('a proxy that says that the browser used plain HTTP is believed', async () => {
    const { text } = await service.createKey();
    expect((await post(open, pagePaths.login, { key: text }, { 'x-forwarded-proto': 'http' })).status).toBe(403);
  });

  test('it works through a tunnel, where the browser says that this is its own machine', async () => {
    const { text } = await service.createKey();
    const headers = { host: 'localhost:9000', origin: 'http://localhost:9000', 'content-type': 'application/json' };
    const body = JSON.stringify({ key: text });
    expect((await sendAs(`${open}${pagePaths.login}`, headers, { method: 'POST', body })).status).toBe(204);
  });
});
