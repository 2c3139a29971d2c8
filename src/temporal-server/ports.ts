import { randomInt } from 'node:crypto';
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

/**
 * A loopback address and port that nobody finds by trying: Temporal's UI answers whoever reaches it, under any name of a
 * host, and can listen on TCP alone. Linux has all of 127.0.0.0/8. With the port that makes some 2^38 places, of which a
 * web page that scans from a browser gets through a few thousand in a second: about a year on average, and each start of the server chooses anew.
 * @returns undefined where 127.0.0.1 is the only such address, as on macOS: its ports are scanned in a minute
 */
export async function findHiddenAddress(): Promise<{ readonly ip: string; readonly port: number } | undefined> {
  // Not 127.0.x.y: what somebody set up by hand is there.
  const ip = `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
  try {
    return { ip, port: await findFreePort(ip) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') return undefined;
    throw error;
  }
}
