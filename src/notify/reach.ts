import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { connectTimeoutMs, describeError } from './send';

/** Whether the host of an address accepts connections, with TLS if that is what it says. Sends nothing. Null: it does. */
export async function reachProblem(address: string): Promise<string | null> {
  const { hostname, protocol, port } = new URL(address);
  const connect = buildConnector({ timeout: connectTimeoutMs });
  const host = hostname.replace(/^\[|\]$/g, '');
  try {
    const socket = await new Promise<Socket>((resolve, reject) => {
      connect({ hostname: host, protocol, port }, (...[error, connected]) => {
        if (error === null) resolve(connected);
        else reject(error);
      });
    });
    socket.destroy();
    return null;
  } catch (error) {
    return describeError(error);
  }
}
