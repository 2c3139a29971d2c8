import { connect } from 'node:net';
import { readConnectionSettings } from '../config/connection-settings';

/** A TLS handshake over a slow line takes a second or two, and a busy machine may stand still for some more. */
const patienceMs = 10_000;

/** For an address that refuses or is unknown: a person is waiting, but gRPC may know a way round it, such as a proxy. */
const patienceForNobodyMs = 1_000;

/**
 * How long a command waits for Temporal's first answer, in milliseconds: not for long where nobody listens. Default: at the
 * configured address.
 */
export async function connectPatienceMs(address = readConnectionSettings().temporal.address): Promise<number> {
  const [, host, port] = address?.match(/^\[?([\w.:-]+?)\]?:(\d+)$/) ?? [];
  // Whatever else gRPC takes for an address, or refuses in its own words.
  if (host === undefined) return patienceMs;
  const socket = connect({ host, port: Number(port), timeout: patienceMs });
  const isNobodyThere = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(true));
    for (const event of ['connect', 'timeout']) socket.once(event, () => resolve(false));
  });
  socket.destroy();
  return isNobodyThere ? patienceForNobodyMs : patienceMs;
}
