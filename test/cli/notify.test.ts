import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '../../src/ledger/open-ledger';
import { Receiver } from '../notify/receiver';
import { CliWorkspace } from './run-cli';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

let workspace: CliWorkspace;
let receiver: Receiver;
beforeEach(async () => {
  workspace = new CliWorkspace();
  receiver = await Receiver.start();
});
afterEach(async () => {
  await receiver.kill();
  await workspace.remove();
});

const configure = (...notify: readonly object[]) =>
  writeFileSync(join(workspace.directory, 'bellwether.config.json'), JSON.stringify({ notify }));
const ops = { name: 'ops', urlEnv: 'OPS_URL', secretEnv: 'OPS_SECRET' };
const environment = () => ({ OPS_URL: receiver.url, OPS_SECRET: secret });

test('a test is sent as a user runs it, and what came back is shown', async () => {
  configure(ops);
  const { status, stdout } = await workspace.spawn(['notify', 'test'], environment());
  expect(stdout).toMatch(/^✓ ops: it answered 200, after \d+ ms\n {4}ok\n$/);
  expect(status).toBe(0);
  expect(receiver.titles).toEqual(['This is a test of Bellwether']);
  expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,/);
});

test('a test that a target does not accept is a failure, without what could move the cursor', async () => {
  configure(ops);
  receiver.answer = (response) => void response.writeHead(404).end(`no_\u001b[2Jteam\n${'x'.repeat(9_000)}`);
  const { status, stdout } = await workspace.run(['notify', 'test', 'ops'], environment());
  expect(stdout).toMatch(/^✗ ops: it answered 404, after \d+ ms\n {4}no_team x{180,}\n$/);
  expect(status).toBe(1);
  const json = await workspace.run(['notify', 'test', '--json'], environment());
  expect(JSON.parse(json.stdout)).toMatchObject([
    { name: 'ops', result: 'failed', status: 404, error: 'it answered 404' },
  ]);
});

test('a target that does not exist, or lacks its address, is named', async () => {
  expect(await workspace.run(['notify', 'test'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Nobody is told anything'),
  });
  configure(ops);
  const unknown = await workspace.run(['notify', 'test', 'oops'], environment());
  expect(unknown).toMatchObject({ status: 2, stderr: 'No target is named oops. There are: ops.\n' });
  const bare = await workspace.run(['notify', 'test']);
  expect(bare).toMatchObject({ status: 2, stderr: expect.stringContaining('notify, ops: OPS_URL is not set') });
  expect(receiver.received).toHaveLength(0);
});

test('the list shows what was told, what waits and what went wrong, and no address', async () => {
  configure(ops, { ...ops, name: 'late' });
  expect(await workspace.json(['notify', 'list'], environment())).toMatchObject([
    { name: 'ops', delivered: 0, waiting: 0, given_up: 0, last_error: null },
    { name: 'late', delivered: 0 },
  ]);
  const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
  const { notifications } = ledger;
  await notifications.register(['ops']);
  for (const title of ['one', 'two']) {
    const told = { event: 'held', rollout: null, title, text: 'So it is.', facts: {} } as const;
    await notifications.add(told, { key: title, withinMs: Infinity });
  }
  await notifications.queue('ops', () => true);
  const first = await notifications.claim('ops', 1_000);
  if (first === null) throw new Error('Nothing is due.');
  await notifications.record(first, { kind: 'delivered' });
  const second = await notifications.claim('ops', 1_000);
  if (second === null) throw new Error('Nothing is due.');
  await notifications.record(second, { kind: 'failed', error: 'it answered 500', retryInMs: 1_000 });
  await ledger.close();

  const { stdout } = await workspace.run(['notify', 'list'], environment());
  expect(stdout).toMatch(/ops +json +OPS_URL +1 +1 +0 +20\d\d-.* UTC +it answered 500\n/);
  expect(stdout).toMatch(/late +json +OPS_URL +0 +0 +0 +never\n/);
  expect(stdout).not.toContain('127.0.0.1');
  expect(await workspace.json(['notify', 'list'])).toMatchObject([
    { name: 'ops', address: 'OPS_URL', delivered: 1, waiting: 1, last_error: 'it answered 500' },
    { name: 'late' },
  ]);
});

test('doctor names targets that cannot be reached, and tells nobody anything', async () => {
  configure(ops, { ...ops, name: 'gone', urlEnv: 'GONE_URL' }, { ...ops, name: 'unset', urlEnv: 'UNSET_URL' });
  const gone = await Receiver.start();
  await gone.kill();
  const result = await workspace.run(['doctor', '--json'], {
    ...environment(),
    GONE_URL: `${gone.url}/T0/B0/hidden`,
  });
  const { checks } = JSON.parse(result.stdout) as { checks: { name: string }[] };
  expect(checks.filter(({ name }) => name.startsWith('Notify'))).toMatchObject([
    { name: 'Notify ops', status: 'ok', detail: `${new URL(receiver.url).host} accepts connections` },
    { name: 'Notify gone', status: 'failed', detail: `${new URL(gone.url).host}: it refuses connections` },
    { name: 'Notify unset', status: 'failed', detail: 'UNSET_URL is not set' },
  ]);
  expect(result.status).toBe(1);
  expect(result.stdout).not.toContain('hidden');
  expect(receiver.received).toHaveLength(0);
});
