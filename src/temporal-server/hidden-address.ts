import { randomInt } from 'node:crypto';
import { findFreePort } from './free-port';

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
