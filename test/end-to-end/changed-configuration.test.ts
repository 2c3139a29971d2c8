import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigFileInput } from '../../src/config/schema';
import { type Simulator, startSimulator } from '../../src/local/simulator/simulator';
import { createTestKey, hello } from '../gateway/gateway-service';
import { eventually } from '../support/eventually';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process';
import { startHeldProvider } from '../support/held-provider';
import { prepareService, type Service } from '../support/service';

const small = { provider: 'east', model: 'gpt-4.1' } as const;
const patient = { firstByteMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 };
const [firstKey, secondKey] = ['sk-first-7f3a', 'sk-second-91bd'];

/** A built worker in its own process, with its metrics. */
async function spawnWorker({ environment, directory }: Service) {
  const program = join(__dirname, '../../dist/cli/main.js');
  const child = spawn(process.execPath, [program, 'worker', '--metrics-port', '0'], {
    cwd: directory,
    env: { PATH: process.env['PATH'], ...environment, LOG_LEVEL: 'INFO' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close');
  await eventually('the worker has started', () => {
    if (child.exitCode !== null) throw new Error(`The worker ended: ${output}`);
    return output.includes('worker started');
  });
  const url = /"url":"([^"]+)"/.exec(output)?.[1] ?? '';
  return {
    reload: () => void child.kill('SIGHUP'),
    output: () => output,
    metrics: async () => (await fetch(url)).text(),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

let east: Simulator;
let service: Service;
let worker: Awaited<ReturnType<typeof spawnWorker>>;
let gateway: GatewayProcess;
let headers: Readonly<Record<string, string>>;
let configuration: ConfigFileInput;
beforeAll(async () => {
  east = await startSimulator({ models: { 'gpt-4.1': {} }, apiKeys: [firstKey] });
  configuration = {
    providers: { east: { baseUrl: east.baseUrl, apiKeyFile: 'east.key' } },
    chains: { support: { targets: [{ ...small, name: 'first' }] } },
    retry: { baseDelayMs: 0, delayJitterMs: 0, baseTimeoutMs: 60_000 },
    stream: patient,
    gateway: { requestsPerMinute: 100_000 },
  };
  // The key's file is looked for when the settings are read, so the first configuration has none yet.
  service = await prepareService({ configuration: { stream: patient } });
  writeFileSync(join(service.directory, 'east.key'), firstKey);
  write(configuration);
  headers = { authorization: `Bearer ${await createTestKey(service)}`, 'content-type': 'application/json' };
  gateway = await spawnGateway(service);
  worker = await spawnWorker(service);
});
afterAll(async () => {
  await worker.stop();
  await gateway.stop();
  await service.stop();
  await east.close();
});

/** As mounted directories change: by another file in place of the former one. */
function write(content: ConfigFileInput | string): void {
  const file = service.environment['BELLWETHER_CONFIG'] ?? '';
  writeFileSync(`${file}.new`, typeof content === 'string' ? content : JSON.stringify(content));
  renameSync(`${file}.new`, file);
}

function reload(): void {
  worker.reload();
  process.kill(gateway.pid, 'SIGHUP');
}

async function ask(model: string) {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ ...hello, model }),
  });
  const body = (await response.json()) as { bellwether?: { turn_id: string; provider: string; handler: string } };
  return { status: response.status, ...body.bellwether };
}

async function offers(model: string): Promise<boolean> {
  return (await fetch(`${gateway.url}/v1/models/${model}`, { headers })).ok;
}

async function versionOfWorker(): Promise<string> {
  return /bellwether_config_info\{version="([^"]+)"\} 1/.exec(await worker.metrics())?.[1] ?? '';
}

async function changed(content: ConfigFileInput, isKnown: () => Promise<boolean>): Promise<void> {
  const former = await versionOfWorker();
  write(content);
  reload();
  await eventually('worker and gateway have the new configuration', async () => {
    return (await versionOfWorker()) !== former && (await isKnown());
  });
}

test('under load, chains and prices change, a broken file is refused and a key is replaced, without one failed turn', async () => {
  const statuses: number[] = [];
  const over = new AbortController();
  const load = Array.from({ length: 3 }, async () => {
    while (!over.signal.aborted) statuses.push((await ask('support')).status);
  });
  try {
    const price = async () => {
      const { turn_id = '' } = await ask('support');
      const [row] = await service.ledger.attempts(turn_id);
      return (row?.costNanoUsd ?? 0) / ((row?.promptTokens ?? 0) + (row?.completionTokens ?? 0));
    };
    expect(await price()).toBe(8_000);
    const chains = { ...configuration.chains, later: { targets: [{ ...small, name: 'later' }] } };
    configuration = { ...configuration, chains, models: { 'gpt-4.1': { price: 2 } } };
    await changed(configuration, () => offers('later'));
    expect(await price()).toBe(2_000);
    expect(await ask('later')).toMatchObject({ status: 200, handler: 'later' });

    const version = await versionOfWorker();
    write('chains: { later: { targets: [{ name: x, provider: nowhere, model: gpt-4.1 }] } }');
    // Without a signal: the files are looked at.
    await eventually('the broken file is refused', async () =>
      (await worker.metrics()).includes('bellwether_config_last_reload_success 0'),
    );
    expect(worker.output()).toContain('chains.later.targets[0].provider: no provider named');
    expect(await versionOfWorker()).toBe(version);
    expect(await ask('later')).toMatchObject({ status: 200 });
    write(configuration);
    await eventually('the mended file is taken', async () =>
      (await worker.metrics()).includes('bellwether_config_last_reload_success 1'),
    );

    // Both are valid until the former is revoked, as when keys are rotated.
    await east.setApiKeys([firstKey, secondKey]);
    writeFileSync(join(service.directory, 'east.key'), secondKey);
    reload();
    await east.setApiKeys([secondKey]);
    expect(await ask('support')).toMatchObject({ status: 200 });
  } finally {
    over.abort();
    await Promise.all(load);
  }
  expect(statuses.length).toBeGreaterThan(10);
  expect(new Set(statuses)).toEqual(new Set([200]));
  const told = worker.output() + gateway.output();
  expect(told).not.toContain(firstKey);
  expect(told).not.toContain(secondKey);
});

test('a turn under way keeps its chain, its providers and its prices, though the new configuration has none of them', async () => {
  const held = await startHeldProvider();
  const former: ConfigFileInput = {
    ...configuration,
    providers: { ...configuration.providers, held: { baseUrl: held.baseUrl } },
    models: { 'gpt-4.1': { price: 5 } },
    chains: {
      support: {
        targets: [
          { name: 'held', provider: 'held', model: 'gpt-4.1', streaming: false },
          { ...small, name: 'behind' },
        ],
      },
    },
  };
  await changed(former, async () => !(await offers('later')));
  const answer = ask('support');
  await eventually('the call has begun', () => held.requestIds.length > 0);
  const { chains: _none, ...rest } = configuration;
  await changed({ ...rest, chains: { other: { targets: [{ ...small, name: 'other' }] } } }, () => offers('other'));
  expect(await ask('support')).toMatchObject({ status: 404 });
  // Its provider fails only now, and the next target is one that only the former configuration has.
  await held.close();
  const { status, turn_id = '', provider, handler } = await answer;
  expect({ status, provider, handler }).toEqual({ status: 200, provider: 'behind', handler: 'support' });
  const last = (await service.ledger.attempts(turn_id)).at(-1);
  expect(last).toMatchObject({ outcome: 'answered', state: 'settled' });
  expect(last?.costNanoUsd).toBe(5_000 * ((last?.promptTokens ?? 0) + (last?.completionTokens ?? 0)));
});

test('a link that points elsewhere is a change, and what needs a restart is named', async () => {
  const file = service.environment['BELLWETHER_CONFIG'] ?? '';
  const content = JSON.parse(readFileSync(file, 'utf8')) as ConfigFileInput;
  const chains = { linked: { targets: [{ ...small, name: 'linked' }] } };
  writeFileSync(`${file}.elsewhere`, JSON.stringify({ ...content, chains, gateway: { requestsPerMinute: 50_000 } }));
  symlinkSync(`${file}.elsewhere`, `${file}.link`);
  renameSync(`${file}.link`, file);
  await eventually('the linked file is taken', () => offers('linked'));
  await eventually('the warning', () => gateway.output().includes('gateway.requestsPerMinute'));
});
