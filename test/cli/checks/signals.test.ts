import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metricsCheck } from '../../../src/cli/checks/signals';
import { ServiceMetrics } from '../../../src/services/metrics';
import { serveMetrics } from '../../../src/services/metrics-server';

const check = (port: number | undefined, host = '127.0.0.1') => metricsCheck({ metrics: { host, port } }).run();

test('without a port it says how to serve metrics', async () => {
  expect(await check(undefined)).toMatchObject({ status: 'skipped', advice: expect.stringContaining('9464') });
});

test('it finds the metrics of a worker, also of one that listens at all addresses', async () => {
  const metrics = new ServiceMetrics();
  const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => metrics.text());
  const port = Number(new URL(server.url).port);
  try {
    metrics.ledger.tried('read', 0.01, true);
    for (const host of ['127.0.0.1', '0.0.0.0']) expect(await check(port, host)).toMatchObject({ status: 'ok' });
    // A page whose name leads to loopback must not read them.
    const { status } = await fetch(server.url, { headers: { origin: 'https://shop.example.com' } });
    expect(status).toBe(403);
    expect((await fetch(server.url.replace('/metrics', '/'))).status).toBe(404);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405);
    await expect(serveMetrics({ host: '127.0.0.1', port }, () => metrics.text())).rejects.toThrow(
      /is taken.*--metrics-port/,
    );
  } finally {
    await server.close();
  }
  expect(await check(port)).toMatchObject({ status: 'skipped', detail: expect.stringContaining('no worker serves') });
});

test('another program at that address is a problem', async () => {
  const server = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    expect(await check((server.address() as AddressInfo).port)).toMatchObject({ status: 'failed' });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
