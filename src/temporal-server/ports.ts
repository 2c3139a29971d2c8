import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * Finds a free TCP port. It accepts one connection on the port and closes it from the listening side, which leaves the
 * port in TIME_WAIT: for about a minute the system assigns it to no other `listen(0)`, but a server that requests it by
 * number (with SO_REUSEADDR, as Go does) can still use it. So two processes that search at the same time get different
 * ports.
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

/** @throws Error if the port is in use or not permitted */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

/**
 * A loopback address and port that cannot be found by scanning: Temporal's UI answers anyone who reaches it, under any
 * host name, and can only listen on TCP. Linux has all of 127.0.0.0/8: with the port, about 2^38 combinations. A web
 * page that scans a few thousand of them per second needs about a year on average, and every start of the server
 * chooses a new one.
 * @returns undefined where 127.0.0.1 is the only such address, as on macOS: its ports can be scanned in a minute
 */
export async function findHiddenAddress(): Promise<{ readonly ip: string; readonly port: number } | undefined> {
  // Not 127.0.x.y, which users may have assigned by hand.
  const ip = `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
  try {
    return { ip, port: await findFreePort(ip) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') return undefined;
    throw error;
  }
}
