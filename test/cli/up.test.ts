import { statSync } from 'node:fs';
import { join } from 'node:path';
import { anyPorts, UpProcess } from './up-process';

/** Everything is started, twice, and asked by commands: on a busy machine that adds up. */
jest.setTimeout(180_000);

describe('bellwether up', () => {
  const up = new UpProcess();

  beforeAll(() => up.start());
  afterAll(() => up.remove());

  test('a chat in another process gets an answer', async () => {
    const { status, stdout } = await up.run('chat', 'Where is my order [ref:one]?', '--session', 's-1', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ session_id: 's-1', success: true, provider: 'holysheep-primary' });
    const unfit = await up.run('chat', 'Hello', '--session', 'two words');
    expect(unfit).toMatchObject({ status: 2, stderr: expect.stringContaining('--session may hold') });
  });

  test('says plainly that providers are simulated if no key is set, and where everything runs', () => {
    const { output } = up;
    expect(output).toContain('SIMULATED');
    expect(output).toContain('No API key is set');
    expect(output).toContain(up.workspace.directory);
    expect(output).toContain(`BELLWETHER_DATA_DIR=${up.dataDirectory} npx bellwether chat`);
  });

  test('an OpenAI client gets an answer with the printed settings', async () => {
    const printed = printedGateway();
    expect(await complete(printed)).toMatchObject({ object: 'chat.completion', model: 'deepseek-v3.2' });
    expect(await complete(printed, { stream: true })).toContain('data: [DONE]');
    expect(statSync(join(up.dataDirectory, 'local-api-key')).mode & 0o777).toBe(0o600);
    expect(up.output).toContain(`curl ${printed.url}/chat/completions`);
  });

  test('the printed link opens the UI, and only its owner can read it', async () => {
    const link = new URL(printedUi());
    expect(statSync(join(up.dataDirectory, 'temporal-ui-token')).mode & 0o777).toBe(0o600);
    expect((await fetch(`${link.origin}/api/v1/namespaces`)).status).toBe(401);
    const cookie = (await fetch(link)).headers.get('set-cookie')?.split(';')[0] ?? '';
    const namespaces = await fetch(`${link.origin}/api/v1/namespaces`, { headers: { cookie } });
    expect(await namespaces.text()).toContain('NAMESPACE_STATE_REGISTERED');
  });

  test('a second one in the same data directory says so and leaves the first alone', async () => {
    const second = await up.run('up', ...anyPorts);
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('already running');
    expect((await up.run('chat', 'Still there?')).status).toBe(0);
  });

  test('an invalid port is refused before anything starts', async () => {
    const refused = await up.run('up', '--port', '70000');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('0 to 65535');
  });

  test('after a restart, a conversation continues, and key and link are the same', async () => {
    const first = await up.run('chat', 'Where is my order [ref:two]?', '--session', 's-2', '--json');
    const [gateway, ui] = [printedGateway(), new URL(printedUi())];
    expect(await up.stop()).toBe(0);
    await up.start();
    const repeated = await up.run('chat', 'And now [ref:three]?', '--session', 's-2', '--json');
    expect(JSON.parse(repeated.stdout)).toMatchObject({ success: true });
    expect(JSON.parse(repeated.stdout).tokens_used).toBeGreaterThan(JSON.parse(first.stdout).tokens_used);
    expect((await up.run('costs', '--by', 'session', '--json')).stdout).toContain('s-2');
    expect(printedGateway().key).toBe(gateway.key);
    expect(await complete(printedGateway())).toMatchObject({ object: 'chat.completion' });
    expect(new URL(printedUi()).search).toBe(ui.search);
  });

  function printedGateway(): { url: string; key: string } {
    const [, url = ''] = /gateway +(http:\/\/127\.0\.0\.1:\d+\/v1)/.exec(up.output) ?? [];
    const [, key = ''] = /API key +(bw_\S+)/.exec(up.output) ?? [];
    return { url, key };
  }

  function printedUi(): string {
    return /Temporal UI +(http:\/\/127\.0\.0\.1:\d+\/\?token=\S+)/.exec(up.output)?.[1] ?? '';
  }

  async function complete({ url, key }: { url: string; key: string }, changes: object = {}): Promise<unknown> {
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bellwether', messages: [{ role: 'user', content: 'Hello' }], ...changes }),
    });
    return 'stream' in changes ? response.text() : response.json();
  }
});
