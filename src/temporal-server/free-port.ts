import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * A TCP port that nobody listens on. One connection is made to it and closed from the listening side, which leaves the
 * port in TIME_WAIT: for about a minute the system gives it to no other `listen(0)`, while a server that names the port
 * (with SO_REUSEADDR, as Go's do) may still take it. So two processes that look for ports at once do not get the same.
 */
export async function findFreePort(host: string): Promise<number> {
  const server = createServer((socket) => socket.end());
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`Cannot listen on ${host}.`);
  const client = connect(address.port, host).resume();
  await once(client, 'close');
  server.close();
  await once(server, 'close');
  return address.port;
}

/** @throws Error when somebody listens on the port, or nobody may */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
