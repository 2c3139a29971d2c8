import { existsSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Settings } from '../../src/config/settings';
import { sqliteFile } from '../../src/ledger/sqlite';
import { startWorker } from '../../src/services/worker';
import { eventually } from '../support/eventually';
import { prepareService, type Service } from '../support/service';
import { sharedTemporal } from '../support/temporal';

let service: Service;
beforeAll(async () => {
  service = await prepareService();
});
afterAll(() => service.stop());

/** The service's settings, with a ledger that no one else has open. */
function settingsWith(name: string, address: string): Settings {
  const { settings, directory } = service;
  const temporal = { ...settings.temporal, address, connectionOptions: { address } };
  return { ...settings, temporal, dataDirectory: join(directory, name) };
}

/** SQLite removes the log beside its file when the last user closes it. */
function isClosed(settings: Settings): boolean {
  const file = sqliteFile(settings.dataDirectory);
  return existsSync(file) && !existsSync(`${file}-wal`);
}

test('a worker that cannot reach Temporal closes its ledger', async () => {
  const settings = settingsWith('no-temporal', '127.0.0.1:1');
  await expect(startWorker({ settings })).rejects.toThrow();
  expect(isClosed(settings)).toBe(true);
});

test('a worker whose workflow bundle is missing closes its ledger and its connection to Temporal', async () => {
  const relay = await startRelay(sharedTemporal().address);
  try {
    const settings = settingsWith('no-bundle', relay.address);
    const workflowBundle = join(service.directory, 'no-such-bundle.js');
    await expect(startWorker({ settings, workflowBundle })).rejects.toThrow('no-such-bundle.js');
    expect(isClosed(settings)).toBe(true);
    expect(relay.connectionsMade()).toBeGreaterThan(0);
    await eventually('the connection is closed', () => relay.openConnections() === 0);
  } finally {
    await relay.close();
  }
});

/** Forwards every connection to another address, and counts them. */
async function startRelay(target: string) {
  const [host, port] = target.split(':');
  const open = new Set<Socket>();
  let made = 0;
  const server = createServer((socket) => {
    made += 1;
    open.add(socket);
    const onward = connect({ host, port: Number(port) });
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on('error', () => end.destroy());
    socket.on('close', () => {
      open.delete(socket);
      onward.destroy();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connectionsMade: () => made,
    openConnections: () => open.size,
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
