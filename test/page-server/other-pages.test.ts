import { pagePaths, type PageProblem } from '../../src/contract/page';
import { type Answered, sendAs } from '../support/send-as';
import { logIn, type PageProcess, type PageService, preparePageService } from './page-service';

let service: PageService;
let server: PageProcess;
let cookie: string;
let key: string;
beforeAll(async () => {
  service = await preparePageService();
  server = await service.start();
  key = (await service.createKey()).text;
  cookie = await logIn(server.url, key);
});
afterAll(() => service.stop());

const json = { 'content-type': 'application/json' };
const codeOf = ({ body }: Answered) => (JSON.parse(body) as PageProblem).code;

/** One request of every kind that does or tells something, with a valid cookie. */
function sendAll(url: string, headers: Readonly<Record<string, string>>): Promise<Answered[]> {
  const get = (path: string) => sendAs(`${url}${path}`, { cookie, ...headers });
  const post = (path: string, body: object) =>
    sendAs(`${url}${path}`, { cookie, ...json, ...headers }, { method: 'POST', body: JSON.stringify(body) });
  return Promise.all([
    post(pagePaths.login, { key }),
    post(pagePaths.command, { rollout: 'r', command: 'rollback', reason: 'x' }),
    post(pagePaths.logout, {}),
    get(pagePaths.data),
    get(pagePaths.events),
    get(`${pagePaths.session}?id=s`),
  ]);
}

test.each([
  ['a name that was pointed at this machine', { host: 'evil.example' }],
  ['another site', { origin: 'https://evil.example' }],
  ['a sandboxed frame', { origin: 'null' }],
  ['another port of this machine', { origin: 'http://127.0.0.1:1' }],
  ['another origin of the same site, by what the browser says', { 'sec-fetch-site': 'same-site' }],
  ['another site, by what the browser says', { 'sec-fetch-site': 'cross-site' }],
])('a page of %s can do and read nothing, even with the cookie', async (_, headers) => {
  const answers = await sendAll(server.url, headers);
  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403]);
  for (const answer of answers) {
    expect(codeOf(answer)).toBe('foreign_caller');
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  }
});

test('the page itself may, by its address and by its name', async () => {
  const { port, host } = new URL(server.url);
  for (const headers of [
    { origin: server.url, 'sec-fetch-site': 'same-origin' },
    { host: `localhost:${port}`, origin: `http://localhost:${port}` },
    { host, 'sec-fetch-site': 'none' },
  ] as readonly Record<string, string>[]) {
    expect((await sendAs(`${server.url}${pagePaths.data}`, { cookie, ...headers })).status).toBe(200);
  }
});

test('anyone may follow a link to the page: it holds nothing, and no page frames it or keeps a handle on it', async () => {
  const { status, headers } = await sendAs(`${server.url}${pagePaths.page}`, { 'sec-fetch-site': 'cross-site' });
  expect(status).toBe(200);
  expect(headers).toMatchObject({
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  });
});

test('behind a proxy that replaces Host, the name of the page can be allowed', async () => {
  const open = await service.start({ host: '0.0.0.0', allowedHosts: ['ops.example'] });
  const { port } = new URL(open.url);
  const url = `http://127.0.0.1:${port}${pagePaths.data}`;
  const proxied = { cookie, host: 'upstream:8080', 'x-forwarded-proto': 'https' };
  expect((await sendAs(url, { ...proxied, origin: 'https://ops.example' })).status).toBe(200);
  const refused = await sendAs(url, { ...proxied, origin: 'https://other.example' });
  expect([refused.status, codeOf(refused)]).toEqual([403, 'foreign_caller']);
  expect(refused.body).toContain('gateway.allowedHosts');
});
