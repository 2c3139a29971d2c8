import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connectPatienceMs } from '../../src/operator/connections';

test.each(['127.0.0.1:1', 'localhost:1', '[::1]:1'])(
  'a command does not wait long for %s, where nobody listens',
  async (address) => {
    expect(await connectPatienceMs(address)).toBe(3_000);
  },
);

test('a command is patient with a server that took its connection and is slow to answer', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await connectPatienceMs(`127.0.0.1:${port}`)).toBe(10_000);
  server.close();
});

test.each(['dns:///temporal:7233', 'localhost:99999'])(
  'an address that is none, as %s, is left to gRPC, which says what is wrong with it',
  async (address) => {
    expect(await connectPatienceMs(address)).toBe(10_000);
  },
);
