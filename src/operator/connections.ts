import { connect } from 'node:net';
import type { Connection } from '@temporalio/client';
import { openConnection } from '../client/connect';
import { readConnectionSettings } from '../config/connection-settings';
import type { TemporalSettings } from '../config/settings';

/**
 * Opens a connection that the caller must close, with a timeout for a user who waits for a command. `advice` ends the
 * error message; by default it says how to start Temporal.
 * @throws {TemporalUnreachableError}
 */
export async function connectToTemporal(temporal: TemporalSettings, advice?: string): Promise<Connection> {
  return openConnection(temporal, await connectPatienceMs(temporal.address), advice);
}

/** A TLS handshake over a slow connection takes a second or two, and a busy machine may stall for a few more. */
const patienceMs = 10_000;

/**
 * Short, because a user is waiting, but enough for one handshake: gRPC may get through another way, such as a proxy.
 */
const patienceForNobodyMs = 3_000;

const maxPort = 65_535;

/**
 * How long a command waits for Temporal's first answer, in milliseconds: less if nothing listens at the address, that is,
 * if it refuses connections, is unknown, or stays silent for `patienceMs`. Default: the configured address.
 */
export async function connectPatienceMs(address = readConnectionSettings().temporal.address): Promise<number> {
  const [, host, port] = address?.match(/^\[?([\w.:-]+?)\]?:(\d+)$/) ?? [];
  // Not a host and port; gRPC decides whether to accept it.
  if (host === undefined || Number(port) > maxPort) return patienceMs;
  const socket = connect({ host, port: Number(port), timeout: patienceMs });
  const isNobodyThere = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(false));
    for (const event of ['error', 'timeout']) socket.once(event, () => resolve(true));
  });
  socket.destroy();
  return isNobodyThere ? patienceForNobodyMs : patienceMs;
}
