import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connectPatienceMs } from '../../src/operator/connections';

test.each(['127.0.0.1:1', 'localhost:1', '[::1]:1'])(
  'a command does not wait long for %s, where nothing listens',
  async (address) => {
    expect(await connectPatienceMs(address)).toBe(3_000);
  },
);

test('a command waits for a server that accepts the connection but answers slowly', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await connectPatienceMs(`127.0.0.1:${port}`)).toBe(10_000);
  server.close();
});

test.each(['dns:///temporal:7233', 'localhost:99999'])(
  'an invalid address such as %s is left to gRPC, which says what is wrong',
  async (address) => {
    expect(await connectPatienceMs(address)).toBe(10_000);
  },
);
