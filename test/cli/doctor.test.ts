import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { openLedger } from '../../src/ledger/open-ledger';
import { startSimulator, type Simulator } from '../../src/local/simulator/simulator';
import { describeWithRedis, startRedis } from '../support/redis';
import { eventually } from '../support/eventually';
import { prepareService, startService } from '../support/service';
import { describeWithSmallDisk, mountSmallDisk, type SmallDisk } from '../support/small-disk';
import { sharedTemporal, unique } from '../support/temporal';
import { CliWorkspace } from './run-cli';

interface Check {
  readonly name: string;
  readonly status: string;
  readonly detail: string;
  readonly advice?: string;
}

/** Nobody listens there, and no program that asks for any free port gets it meanwhile. */
const unusedPort = 1;

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

async function examine(environment: Readonly<Record<string, string>> = {}) {
  const { status, stdout } = await workspace.run(['doctor', '--json'], environment);
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: readonly Check[] };
  const find = (name: string): Check => {
    const check = checks.find((candidate) => candidate.name === name);
    if (!check) throw new Error(`There is no check ${name} in ${stdout}`);
    return check;
  };
  return { status, ok, find, stdout };
}

describe('bellwether doctor without any configuration', () => {
  it('finds nothing wrong and says what is not in use', async () => {
    const { status, ok, find } = await examine();
    expect([status, ok]).toEqual([0, true]);
    expect(find('Versions')).toMatchObject({ status: 'ok', detail: expect.stringContaining(process.versions.node) });
    expect(find('Configuration').status).toBe('ok');
    for (const name of ['Providers', 'Ledger', 'Redis', 'Encryption']) expect(find(name).status).toBe('skipped');
  });

  it('prints one line per check for a person', async () => {
    const { status, stdout } = await workspace.spawn(['doctor']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^✓ Versions: .*\n✓ Configuration: /);
    expect(stdout).toMatch(/^– Providers: simulated/m);
    expect(stdout).toMatch(/Everything in use works\.\n$/);
  });
});

describe('bellwether doctor on providers', () => {
  let simulator: Simulator;
  beforeEach(async () => {
    const models = { 'deepseek-v3.2': {}, 'gemini-2.5-flash': {} };
    simulator = await startSimulator({ models, apiKeys: ['sk-right'] });
  });
  afterEach(() => simulator.close());

  it('shows the status and the number of models', async () => {
    const { status, find } = await examine({ HOLYSHEEP_API_KEY: 'sk-right', HOLYSHEEP_BASE_URL: simulator.baseUrl });
    expect(status).toBe(0);
    expect(find('Provider holysheep')).toMatchObject({
      status: 'ok',
      detail: `${simulator.baseUrl}: Status: 200, Models available: 2`,
    });
  });

  it('says what to do about a refused key and never shows the key', async () => {
    const { status, find, stdout } = await examine({
      HOLYSHEEP_API_KEY: 'sk-wrong',
      HOLYSHEEP_BASE_URL: simulator.baseUrl,
    });
    expect(status).toBe(1);
    expect(find('Provider holysheep')).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('Status: 401'),
      advice: expect.stringContaining('HOLYSHEEP_API_KEY'),
    });
    expect(stdout).not.toContain('sk-wrong');
  });

  it('fails if a provider cannot be reached, and still checks the others', async () => {
    const { status, find } = await examine({
      HOLYSHEEP_API_KEY: 'sk-right',
      HOLYSHEEP_BASE_URL: simulator.baseUrl,
      LEGACY_BASE_URL: `http://127.0.0.1:${unusedPort}/v1`,
    });
    expect(status).toBe(1);
    expect(find('Provider holysheep').status).toBe('ok');
    expect(find('Provider legacy')).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('mentions a configured model that the provider does not list', async () => {
    await simulator.close();
    simulator = await startSimulator({ models: { 'deepseek-v3.2': {} } });
    const { status, find } = await examine({ HOLYSHEEP_API_KEY: 'k', HOLYSHEEP_BASE_URL: simulator.baseUrl });
    expect(status).toBe(0);
    expect(find('Provider holysheep').advice).toMatch(/gemini-2\.5-flash/);
  });

  it('names the kind of a provider whose address answers in another format', async () => {
    const claude = { kind: 'anthropic', baseUrl: `${simulator.baseUrl}/v2`, apiKeyEnv: 'CLAUDE_API_KEY' };
    const target = { name: 'claude-primary', provider: 'claude', model: 'claude-sonnet-4.5' };
    const configuration = { providers: { claude }, arms: { claude: { targets: [target] } }, defaultArm: 'claude' };
    writeFileSync(join(workspace.directory, 'config.json'), JSON.stringify(configuration));
    await simulator.setApiKeys(null);
    const { find } = await examine({ CLAUDE_API_KEY: 'sk-right', BELLWETHER_CONFIG: 'config.json' });
    expect(find('Provider claude')).toMatchObject({
      status: 'failed',
      advice: `Is ${simulator.baseUrl}/v2 the address of an API of the kind anthropic?`,
    });
  });
});

describe('bellwether doctor on Temporal', () => {
  it('shows address, server version, namespace and search attributes, and finds the worker', async () => {
    const service = await startService();
    const { status, find } = await examine(service.environment);
    await service.stop();
    expect(status).toBe(0);
    expect(find('Temporal')).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining(sharedTemporal().address),
    });
    expect(find('Temporal').detail).toMatch(
      /server 1\.\d+\.\d+, namespace bellwether, takes new turns, search attributes registered/,
    );
    const { BELLWETHER_TASK_QUEUE: taskQueue } = service.environment;
    expect(find('Worker')).toMatchObject({ status: 'ok', detail: expect.stringContaining(String(taskQueue)) });
  });

  it('leaves no workflow behind', async () => {
    const service = await prepareService();
    await examine(service.environment);
    const { workflow } = service.temporal;
    const query = `TaskQueue STARTS_WITH '${service.settings.temporal.taskQueue}'`;
    await eventually('nothing is left', async () => (await workflow.count(query)).count === 0);
    await service.stop();
  });

  it('fails if no worker polls, and if no provider has a key', async () => {
    const { address, namespace } = sharedTemporal();
    const { status, find } = await examine({
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      BELLWETHER_TASK_QUEUE: unique('nobody'),
    });
    expect(status).toBe(1);
    expect(find('Temporal').status).toBe('ok');
    expect(find('Worker')).toMatchObject({ status: 'failed', advice: expect.stringContaining('bellwether worker') });
    expect(find('Providers')).toMatchObject({ status: 'failed', advice: expect.stringContaining('HOLYSHEEP_API_KEY') });
  });

  it('recommends setup if the namespace is missing', async () => {
    const { address } = sharedTemporal();
    const { status, find } = await examine({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'nowhere' });
    expect(status).toBe(1);
    expect(find('Temporal')).toMatchObject({ status: 'failed', advice: 'Run: npx bellwether setup' });
  });

  it('fails within its time limit if the server does not answer', async () => {
    const { status, find } = await examine({ TEMPORAL_ADDRESS: `127.0.0.1:${unusedPort}` });
    expect(status).toBe(1);
    expect(find('Temporal')).toMatchObject({ status: 'failed', advice: expect.stringContaining('TEMPORAL_ADDRESS') });
  });
});

describeWithSmallDisk('bellwether doctor on a disk of its own', () => {
  let disk: SmallDisk;
  beforeEach(() => {
    disk = mountSmallDisk();
  });
  afterEach(() => disk.remove());

  it('fails on a full disk', async () => {
    const environment = { BELLWETHER_DATA_DIR: join(disk.directory, 'data') };
    await (await openLedger({ dataDirectory: environment.BELLWETHER_DATA_DIR })).close();
    expect((await examine(environment)).ok).toBe(true);
    disk.fill();
    const { status, find } = await examine(environment);
    expect(status).toBe(1);
    expect(find('Data directory')).toMatchObject({
      status: 'failed',
      advice: expect.stringContaining('Free some space'),
    });
    expect(find('Ledger')).toMatchObject({ status: 'failed', detail: expect.stringContaining('disk is full') });
  });

  it('fails if the data directory can only be read, even if there is no ledger yet', async () => {
    disk.setReadOnly();
    const { status, find } = await examine({ BELLWETHER_DATA_DIR: join(disk.directory, 'data') });
    expect(status).toBe(1);
    expect(find('Data directory')).toMatchObject({ status: 'failed', detail: expect.stringContaining('read-only') });
  });
});

describe('bellwether doctor on the stores', () => {
  it('opens an existing ledger', async () => {
    const dataDirectory = join(workspace.directory, '.bellwether');
    await (await openLedger({ dataDirectory })).close();
    expect((await examine()).find('Ledger')).toMatchObject({ status: 'ok', detail: expect.stringContaining('SQLite') });
  });

  it('fails if a database cannot be reached, without showing its password', async () => {
    const url = `postgres://me:hunter2@127.0.0.1:${unusedPort}/bellwether`;
    const { status, find, stdout } = await examine({ DATABASE_URL: url });
    expect(status).toBe(1);
    expect(find('Ledger').status).toBe('failed');
    expect(stdout).not.toContain('hunter2');
  });

  it('fails if Redis is down, without showing its password', async () => {
    const { status, find, stdout } = await examine({
      REDIS_URL: `redis://me:hunter2@127.0.0.1:${unusedPort}/0`,
    });
    expect(status).toBe(1);
    expect(find('Redis')).toMatchObject({ status: 'failed', detail: expect.stringContaining('ECONNREFUSED') });
    expect(stdout).not.toContain('hunter2');
  });

  it('fails if Redis never answers', async () => {
    const sockets: Socket[] = [];
    const silent = await listen((socket) => sockets.push(socket));
    const { find } = await examine({ REDIS_URL: `redis://127.0.0.1:${portOf(silent)}` });
    for (const socket of sockets) socket.destroy();
    silent.close();
    expect(find('Redis')).toMatchObject({ status: 'failed', detail: 'no answer within 10 s' });
  });
});

describeWithRedis('bellwether doctor on a Redis that is up', () => {
  it.each([
    ['answers', undefined, '', { status: 'ok', detail: /^127\.0\.0\.1:\d+$/ }],
    ['takes the password', 'hunter2', ':hunter2@', { status: 'ok', detail: /^127\.0\.0\.1:\d+$/ }],
    ['refuses the password', 'right', 'me:hunter2@', { status: 'failed', detail: /:\d+ refuses: WRONGPASS$/ }],
    ['wants a password', 'hunter2', '', { status: 'failed', detail: /:\d+ refuses: NOAUTH$/ }],
  ])('reports the truth about one that %s', async (_, password, access, { status, detail }) => {
    const redis = await startRedis({ password });
    try {
      const { find, stdout } = await examine({ REDIS_URL: `redis://${access}${new URL(redis.url).host}/0` });
      expect(find('Redis')).toMatchObject({ status, detail: expect.stringMatching(detail) });
      expect(stdout).not.toContain('hunter2');
    } finally {
      await redis.stop();
    }
  });
});

describe('bellwether doctor on configuration', () => {
  it('lists every problem, and runs the checks that need no configuration', async () => {
    const { status, find } = await examine({ LOG_LEVEL: 'LOUD', BELLWETHER_ENCRYPTION_KEYS: 'short:c2hvcnQ=' });
    expect(status).toBe(1);
    expect(find('Configuration').detail.split('\n')).toHaveLength(2);
    expect(find('Versions').status).toBe('ok');
  });

  it('names the active encryption key but shows no key', async () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    const { find, stdout } = await examine({ BELLWETHER_ENCRYPTION_KEYS: `new:${key},old:${key}` });
    expect(find('Encryption')).toMatchObject({ status: 'ok', detail: 'on, with key new; 1 more can decrypt' });
    expect(stdout).not.toContain(key);
  });
});

async function listen(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
