import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createApiKey } from '../../src/access/api-key';
import { eventually } from '../support/eventually';
import { type Service, startService } from '../support/service';
import { CliWorkspace } from './run-cli';

const program = join(__dirname, '../../dist/cli/main.js');

/** Less than the 25 s for which a gateway waits for its running requests, and more than it takes to start and stop one. */
const slowAnswerMs = 20_000;

let service: Service;
let workspace: CliWorkspace;
beforeAll(async () => {
  service = await startService({ configuration: { retry: { baseTimeoutMs: 2 * slowAnswerMs } } });
  workspace = new CliWorkspace();
});
afterAll(async () => {
  await service.stop();
  await workspace.remove();
});

async function createKey(): Promise<string> {
  const { id, text, secretHash } = createApiKey();
  const unlimited = { dayNanoUsd: null, totalNanoUsd: null, models: null, requestsPerMinute: null, expiresAtMs: null };
  await service.ledger.keys.create({
    id,
    name: 'test',
    role: 'chat',
    ...unlimited,
    createdAtMs: Date.now(),
    secretHash,
  });
  return text;
}

function start(...flags: string[]): ChildProcess {
  const env = { PATH: process.env['PATH'], HOME: workspace.directory, ...service.environment };
  return spawn(process.execPath, [program, 'gateway', '--port', '0', ...flags], { cwd: workspace.directory, env });
}

function complete(baseUrl: string, key: string, signal?: AbortSignal): Promise<Response> {
  return fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'bellwether', messages: [{ role: 'user', content: 'Hello' }] }),
    ...(signal && { signal }),
  });
}

/** The first thing that a process says. */
async function firstOutput(child: ChildProcess): Promise<string> {
  const [chunk] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  return chunk.toString();
}

test('a separate gateway answers through a worker elsewhere and stops on request', async () => {
  const child = start('--json');
  const { base_url } = JSON.parse(await firstOutput(child)) as { base_url: string };
  const response = await complete(base_url, await createKey());
  expect(await response.json()).toMatchObject({ object: 'chat.completion' });
  child.kill('SIGTERM');
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status).toBe(0);
});

test('an abandoned turn does not keep a gateway from stopping', async () => {
  await service.simulator.setBehaviour('*', { latency: { kind: 'fixed', ms: slowAnswerMs } });
  const child = start('--json');
  const { base_url } = JSON.parse(await firstOutput(child)) as { base_url: string };
  const gone = new AbortController();
  const request = complete(base_url, await createKey(), gone.signal);
  await eventually('the model is asked', async () => (await service.simulator.openCalls()) > 0);
  gone.abort();
  await expect(request).rejects.toThrow('aborted');
  child.kill('SIGTERM');
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status).toBe(0);
  expect(await service.simulator.openCalls()).toBe(1);
  // The next attempt ends the turn, and its worker can stop.
  await service.simulator.setBehaviour('*', { latency: { kind: 'fixed', ms: 0 } });
  await service.simulator.goDown();
  await service.simulator.comeUp();
});

test('a gateway that other machines can reach says so, and says that streams wait without Redis', async () => {
  const child = start('--host', '0.0.0.0');
  const output = await firstOutput(child);
  expect(output).toContain('Other machines can reach it');
  expect(output).toContain('REDIS_URL is not set');
  child.kill('SIGTERM');
  await once(child, 'close');
});

test('if the port is taken, it says what to do', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { status, stderr } = await workspace.spawn(['gateway', '--port', String(port)], service.environment);
  expect(status).toBe(1);
  expect(stderr).toContain(`Port ${port} of 127.0.0.1 is taken`);
  server.close();
});
