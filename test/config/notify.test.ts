import { addressProblems } from '../../src/config/notify';
import { notificationEvents } from '../../src/contract/notifications';
import { Workspace } from './workspace';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const slackUrl = 'https://hooks.slack.example/services/T0/B0/x9f2';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.remove());

const write = (...targets: readonly object[]) =>
  workspace.write('bellwether.config.json', JSON.stringify({ notify: targets }));

describe('targets to notify', () => {
  test('are none unless configured', () => expect(workspace.load().notify).toEqual([]));

  test('have their address and secret from the environment', () => {
    write({
      name: 'ops',
      urlEnv: 'OPS_URL',
      secretEnv: 'OPS_SECRET',
      events: ['held'],
      pageUrl: 'https://x.example/page',
    });
    const [ops] = workspace.load({ OPS_URL: 'https://ops.example/hook?a=1', OPS_SECRET: secret }).notify;
    expect(ops).toMatchObject({ name: 'ops', format: 'json', source: 'OPS_URL', pageUrl: 'https://x.example/page' });
    expect([...(ops?.events ?? [])]).toEqual(['held']);
    expect(ops?.readAddress()).toEqual({
      url: 'https://ops.example/hook?a=1',
      secrets: [new Uint8Array(Buffer.alloc(32, 7))],
    });
  });

  test('have them from files, read anew each time, and two secrets while one replaces the other', () => {
    write({ name: 'ops', urlFile: 'url.txt', secretEnv: 'OPS_SECRET' });
    workspace.write('url.txt', 'https://ops.example/1\n');
    workspace.write('secret.txt', `${secret}\n`);
    const [ops] = workspace.load({ OPS_SECRET_FILE: 'secret.txt' }).notify;
    expect(ops?.readAddress().url).toBe('https://ops.example/1');
    workspace.write('url.txt', 'https://ops.example/2');
    workspace.write('secret.txt', `whsec_${Buffer.alloc(24).toString('base64')}\n${secret}`);
    expect(ops?.readAddress()).toMatchObject({
      url: 'https://ops.example/2',
      secrets: [{ length: 24 }, { length: 32 }],
    });
  });

  test('hear of everything unless they say of what; Slack needs no secret', () => {
    write({ name: 'chat', format: 'slack', urlEnv: 'SLACK_URL' });
    const [chat] = workspace.load({ SLACK_URL: slackUrl }).notify;
    expect([...(chat?.events ?? [])]).toEqual(notificationEvents);
    expect(chat?.readAddress()).toEqual({ url: slackUrl, secrets: [] });
  });

  test('need no address in processes that tell nobody', () => {
    write({ name: 'ops', urlEnv: 'OPS_URL', secretEnv: 'OPS_SECRET' });
    const { notify } = workspace.load();
    expect(addressProblems(notify)).toEqual(['notify, ops: OPS_URL is not set']);
    expect(addressProblems(workspace.load({ OPS_URL: 'https://ops.example/' }).notify)).toEqual([
      'notify, ops: OPS_SECRET is not set',
    ]);
  });

  test.each([
    ['http://ops.example/hook', 'must begin with https://, because it is not on this machine'],
    ['ftp://ops.example/hook', 'must begin with https://'],
    ['ops.example', 'is not an address'],
    ['https://user:secret@ops.example/', 'must not contain a user name, a password or a fragment'],
  ])('are not told at %s, and the problem does not repeat it', (url, problem) => {
    write({ name: 'ops', urlEnv: 'OPS_URL', secretEnv: 'OPS_SECRET' });
    const [told = ''] = addressProblems(workspace.load({ OPS_URL: url, OPS_SECRET: secret }).notify);
    expect(told).toContain(`notify, ops: OPS_URL ${problem}`);
    expect(told).not.toContain(url);
  });

  test.each(['http://127.0.0.1:9/hook', 'http://localhost/hook', 'http://[::1]:9/'])('may be told at %s', (url) => {
    write({ name: 'ops', url, secretEnv: 'OPS_SECRET' });
    expect(addressProblems(workspace.load({ OPS_SECRET: secret }).notify)).toEqual([]);
  });

  test('may be told over http elsewhere if the file says so', () => {
    write({ name: 'ops', url: 'http://alerts:9/hook', allowHttp: true, secretEnv: 'OPS_SECRET' });
    expect(addressProblems(workspace.load({ OPS_SECRET: secret }).notify)).toEqual([]);
  });

  test.each(['secret', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${Buffer.alloc(65).toString('base64')}`])(
    'are not signed with %s, and the problem does not repeat it',
    (bad) => {
      write({ name: 'ops', url: 'https://ops.example/', secretEnv: 'OPS_SECRET' });
      const [told = ''] = addressProblems(workspace.load({ OPS_SECRET: bad }).notify);
      expect(told).toContain('notify, ops: OPS_SECRET must be whsec_ followed by 24 to 64 bytes in base64');
      expect(told.replace('whsec_ followed', '').replace('"whsec_$', '').replace('SECRET', '')).not.toContain(bad);
    },
  );

  test('are refused where the file contradicts itself, naming the field', () => {
    write(
      { name: 'a' },
      { name: 'a', url: 'https://a.example/', urlEnv: 'A', secretEnv: 'S', secretFile: 's' },
      { name: 'c', format: 'slack', url: slackUrl },
      { name: 'd', url: 'https://d.example/', secretEnv: 'S', events: ['held', 'hold'] },
    );
    expect(workspace.problems().map((each) => each.replace(/^\S+: /, ''))).toEqual([
      expect.stringMatching(/^notify\[3\]\.events\[1\]: must be "started" or/),
    ]);
    write(
      { name: 'a' },
      { name: 'a', url: 'https://a.example/', urlEnv: 'A', secretEnv: 'S', secretFile: 's' },
      { name: 'c', format: 'slack', url: slackUrl },
    );
    expect(workspace.problems().map((each) => each.replace(/^\S+: /, ''))).toEqual([
      'notify[0].url: is missing, and so are urlEnv and urlFile',
      'notify[0].secretEnv: is missing: deliveries are signed, so that the receiver knows that they are from here',
      'notify[1].name: "a" is the name of an earlier target',
      'notify[1].url: name one of url, urlEnv and urlFile',
      'notify[1].secretEnv: name one of secretEnv and secretFile',
      "notify[2].url: Slack's addresses are secrets: name it in urlEnv or urlFile",
    ]);
    expect(workspace.problems().join()).not.toContain(slackUrl);
  });
});
