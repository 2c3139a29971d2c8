import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../support/cache-directory';
import { CliWorkspace } from './run-cli';
import type { CliResult } from './run-cli';

/** Everything is started twice and asked by commands: on a busy machine that adds up. */
jest.setTimeout(180_000);

/** No fixed ones: other tests run beside this. */
const anyPorts = ['--port', '0', '--ui-port', '0', '--gateway-port', '0'];

const program = join(__dirname, '../../dist/cli/main.js');

describe('bellwether up', () => {
  let workspace: CliWorkspace;
  let up: ChildProcess | undefined;

  beforeEach(() => {
    workspace = new CliWorkspace();
  });

  afterEach(async () => {
    if (up && up.exitCode === null && up.signalCode === null) await stop(up);
    await workspace.remove();
  });

  test('a chat in another process is answered, and goes on after a restart where it was', async () => {
    up = await start();
    const first = await run('chat', 'Where is my order [ref:one]?', '--session', 's-1', '--json');
    expect(first.status).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ session_id: 's-1', success: true, provider: 'holysheep-primary' });
    expect(await stop(up)).toBe(0);

    up = await start();
    const repeated = await run('chat', 'And now [ref:two]?', '--session', 's-1', '--json');
    expect(JSON.parse(repeated.stdout)).toMatchObject({ success: true });
    const unfit = await run('chat', 'Hello', '--session', 'two words');
    expect(unfit).toMatchObject({ status: 2, stderr: expect.stringContaining('--session may hold') });
    const costs = await run('costs', '--by', 'session', '--json');
    expect(costs.stdout).toContain('s-1');
    expect(JSON.parse(repeated.stdout).tokens_used).toBeGreaterThan(JSON.parse(first.stdout).tokens_used);
  });

  test('says plainly that providers are simulated while no key is set, and where everything runs', async () => {
    up = await start();
    const output = outputs.get(up) ?? '';
    expect(output).toContain('SIMULATED');
    expect(output).toContain('No API key is set');
    expect(output).toMatch(/Temporal UI +http:\/\/127\.0\.0\.1:\d+/);
    expect(output).toContain(workspace.directory);
    expect(output).toContain(`BELLWETHER_DATA_DIR=${join(workspace.directory, 'data')} npx bellwether chat`);
  });

  test('an OpenAI client is answered as the printed line says, with a key that outlives a restart', async () => {
    up = await start();
    const first = printedGateway(up);
    const answer = await complete(first);
    expect(answer).toMatchObject({ object: 'chat.completion', model: 'deepseek-v3.2' });
    expect(await complete(first, { stream: true })).toContain('data: [DONE]');
    expect(statSync(join(workspace.directory, 'data', 'local-api-key')).mode & 0o777).toBe(0o600);
    expect(outputs.get(up)).toContain(`curl ${first.url}/chat/completions`);
    expect(await stop(up)).toBe(0);

    up = await start();
    expect(printedGateway(up).key).toBe(first.key);
    expect(await complete(printedGateway(up))).toMatchObject({ object: 'chat.completion' });
  });

  test('a second one on the same data directory says so and leaves the first alone', async () => {
    up = await start();
    const second = await run('up', ...anyPorts);
    expect(second.status).toBe(1);
    expect(second.stderr).toContain('already running');
    expect((await run('chat', 'Still there?')).status).toBe(0);
  });

  test('a port that is no port is refused before anything starts', async () => {
    const refused = await run('up', '--port', '70000');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('0 to 65535');
  });

  const outputs = new Map<ChildProcess, string>();

  function printedGateway(child: ChildProcess): { url: string; key: string } {
    const output = outputs.get(child) ?? '';
    const [, url = ''] = /gateway +(http:\/\/127\.0\.0\.1:\d+\/v1)/.exec(output) ?? [];
    const [, key = ''] = /API key +(bw_\S+)/.exec(output) ?? [];
    return { url, key };
  }

  async function complete({ url, key }: { url: string; key: string }, changes: object = {}): Promise<unknown> {
    const response = await fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bellwether', messages: [{ role: 'user', content: 'Hello' }], ...changes }),
    });
    return 'stream' in changes ? response.text() : response.json();
  }

  function environment(): Record<string, string> {
    return { BELLWETHER_DATA_DIR: join(workspace.directory, 'data'), BELLWETHER_CACHE_DIR: cacheDirectory };
  }

  async function start(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [program, 'up', ...anyPorts], {
      cwd: workspace.directory,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    outputs.set(child, '');
    const note = (chunk: Buffer): void => void outputs.set(child, (outputs.get(child) ?? '') + chunk.toString());
    child.stderr.on('data', note);
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        note(chunk);
        if (outputs.get(child)?.includes('Ctrl-C stops everything')) resolve();
      });
      child.once('close', (code) => reject(new Error(`up ended (${code}): ${outputs.get(child)}`)));
    });
    return child;
  }

  function run(...args: string[]): Promise<CliResult> {
    return workspace.run(args, environment());
  }
});

async function stop(child: ChildProcess): Promise<number | null> {
  child.kill('SIGINT');
  await once(child, 'close');
  return child.exitCode;
}
