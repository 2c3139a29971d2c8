import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { DataFileInUseError } from '../../src/temporal-server/data-file';
import { startDevServer, type DevServer } from '../../src/temporal-server/dev-server';
import { missingSearchAttributes } from '../../src/temporal-server/namespace';
import { eventually } from '../support/eventually';
import { listenersOf } from '../support/listeners';
import { sendAs } from '../support/send-as';
import { sharedTemporal, startOwnTemporal, temporalBinary, testNamespace, unique } from '../support/temporal';
import { startTypescript } from '../support/typescript-program';

/** Most tests start a server twice, and each start may take a minute. */
jest.setTimeout(180_000);

let directory: string;
let dataFile: string;
let running: DevServer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bellwether dev server '));
  dataFile = join(directory, 'data', 'temporal.db');
});

afterEach(async () => {
  await Promise.all(running.map((server) => server.kill()));
  running = [];
  await rm(directory, { recursive: true });
});

async function start(
  options: { dataFile?: string; port?: number; ui?: boolean; searchAttributes?: string[] } = {},
): Promise<DevServer> {
  const server = await startDevServer({
    binary: temporalBinary(),
    dataFile: options.dataFile,
    port: options.port,
    ui: options.ui,
    namespace: testNamespace,
    searchAttributes: options.searchAttributes ?? [],
  });
  running.push(server);
  return server;
}

async function withClient<T>(server: { address: string }, use: (client: Client) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address: server.address });
  try {
    return await use(new Client({ connection, namespace: testNamespace }));
  } finally {
    await connection.close();
  }
}

test('the server that all tests share answers for their namespace', async () => {
  await withClient(sharedTemporal(), async ({ workflowService }) => {
    const { namespaceInfo } = await workflowService.describeNamespace({ namespace: testNamespace });
    expect(namespaceInfo?.name).toBe(testNamespace);
  });
});

test.each(['stop', 'kill'] as const)('after %s, a server on the same file continues where it was', async (end) => {
  const workflowId = unique('workflow');
  const first = await start({ dataFile });
  await withClient(first, (client) => client.workflow.start('any', { workflowId, taskQueue: unique('queue') }));
  await first[end]();

  const second = await start({ dataFile });
  const { status } = await withClient(second, (client) => client.workflow.getHandle(workflowId).describe());
  expect(status.name).toBe('RUNNING');
});

test('a restart can keep the port, so that clients find the server again', async () => {
  const first = await start({ dataFile });
  await first.kill();
  const second = await start({ dataFile, port: Number(first.address.split(':')[1]) });
  expect(second.address).toBe(first.address);
});

test('a second server on the same file is refused, and the error says where the first one is', async () => {
  const first = await start({ dataFile });
  const second = start({ dataFile });
  await expect(second).rejects.toThrow(DataFileInUseError);
  await expect(second).rejects.toThrow(`process ${first.pid}, at ${first.address}`);
});

test('if two start at once on the same file, one runs', async () => {
  const starts = await Promise.allSettled([start({ dataFile }), start({ dataFile })]);
  expect(starts.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
});

test('a taken port is refused', async () => {
  const { address } = sharedTemporal();
  await expect(start({ port: Number(address.split(':')[1]) })).rejects.toThrow(
    /^Port \d+ cannot be used: .*EADDRINUSE/,
  );
});

test('a program that exits at once is reported with its status and its last output', async () => {
  const program = join(directory, 'temporal');
  await writeFile(program, '#!/bin/sh\necho "no disk, no database"\nexit 3\n');
  await chmod(program, 0o755);
  const starting = startDevServer({ binary: program, dataFile, namespace: testNamespace, searchAttributes: [] });
  await expect(starting).rejects.toThrow(/ended with status 3[^]*no disk, no database/);
  await expect(start({ dataFile })).resolves.toHaveProperty('address');
});

test('the error names a missing program', async () => {
  const binary = join(directory, 'nothing');
  const starting = startDevServer({ binary, dataFile: undefined, namespace: testNamespace, searchAttributes: [] });
  await expect(starting).rejects.toThrow(`spawn ${binary} ENOENT`);
});

test('a file whose first start was interrupted is created again', async () => {
  await (await start({ dataFile })).stop();
  await writeFile(dataFile, 'half a schema');
  await writeFile(`${dataFile}.unfinished`, '');
  await rm(`${dataFile}-wal`, { force: true });
  await expect(start({ dataFile })).resolves.toHaveProperty('address');
});

test('a file from before an attribute existed gets the attribute', async () => {
  await (await start({ dataFile, searchAttributes: ['Old'] })).stop();
  const server = await start({ dataFile, searchAttributes: ['Old', 'New'] });
  await withClient(server, async ({ connection }) => {
    if (!(connection instanceof Connection)) throw new Error('not a gRPC connection');
    expect(await missingSearchAttributes(connection, testNamespace, ['Old', 'New', 'Other'])).toEqual(['Other']);
  });
});

test('a Ctrl-C at the terminal does not reach it: it has its own process group', async () => {
  const { pid } = await start();
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pgid=', '-p', String(pid)]);
  expect(Number(stdout)).toBe(pid);
});

test('it ends when its owner is killed', async () => {
  const owner = startTypescript(
    'temporal-server/programs/run-dev-server.ts',
    temporalBinary(),
    join(directory, 'server.log'),
  );
  const pid = Number(await owner.firstLine);
  owner.process.kill('SIGKILL');
  await owner.ended;
  await eventually('the server has ended', () => !isAlive(pid));
});

/** The status of Nexus in server 1.32, where it cannot be turned off: no worker took the request. */
const noNexusWorker = 520;

test('only the UI’s port, at an address that cannot be guessed, answers HTTP with anything but metrics', async () => {
  const server = await start({ ui: true });
  const { hostname } = new URL(server.hiddenUiUrl ?? '');
  expect(hostname).toMatch(/^127\.[1-9]/);
  // Its first attempt to reach the server may come before the server is listening.
  await eventually('the UI reaches the server', async () =>
    (await sendAs(`${server.hiddenUiUrl}/api/v1/namespaces`, {})).body.includes(testNamespace),
  );

  const listeners = await listenersOf(server.pid);
  expect(listeners.filter(({ address }) => address === hostname)).toHaveLength(1);
  const order = JSON.stringify({ workflowType: { name: 'any' }, taskQueue: { name: 'any' } });
  const plain = { 'content-type': 'text/plain', origin: 'http://evil.example' };
  const workflows = `/api/v1/namespaces/${testNamespace}/workflows`;
  const answers: unknown[] = [];
  for (const { address, port } of listeners.filter((each) => each.address !== hostname)) {
    const url = `http://${address}:${port}`;
    const sent = [
      sendAs(`${url}${workflows}`, {}),
      sendAs(`${url}${workflows}`, { host: 'evil.example' }),
      sendAs(`${url}${workflows}/any`, plain, { method: 'POST', body: order }),
      sendAs(
        `${url}/namespaces/${testNamespace}/task-queues/any/nexus-services/any/any`,
        // Without this header, it waits a minute; a page cannot send it.
        { ...plain, 'request-timeout': '1s' },
        { method: 'POST' },
      ),
    ];
    for (const each of await Promise.allSettled(sent)) {
      answers.push(each.status === 'fulfilled' ? each.value.status : 'no HTTP');
    }
  }
  expect(answers).not.toHaveLength(0);
  expect(answers.filter((answer) => ![403, 404, noNexusWorker, 'no HTTP'].includes(answer as number))).toEqual([]);
  const { count } = await withClient(server, (client) => client.workflow.count());
  expect(count).toBe(0);
});

test('the log of the previous run is kept next to the new one', async () => {
  const first = await start({ dataFile });
  await first.stop();
  const firstLog = await readFile(first.logFile, 'utf8');
  await start({ dataFile });
  expect(await readFile(`${first.logFile}.previous`, 'utf8')).toBe(firstLog);
});

test('a test gets its own server, with the search attributes of the workflows', async () => {
  const server = await startOwnTemporal();
  running.push(server);
  expect(server.address).not.toBe(sharedTemporal().address);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
