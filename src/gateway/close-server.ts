import type { GatewayServer } from './server';

/** Answers that end while the server closes leave connections that are idle only then. */
const sweepEveryMs = 20;
/** For the last answers to get out; a client that reads nothing is not waited for longer. */
const lastWordsMs = 1_000;

/** Ends all connections: idle ones at once, the others when they have been answered, or a second later. */
export async function closeServer(server: GatewayServer): Promise<void> {
  const { server: http } = server;
  const sweeping = setInterval(() => http.closeIdleConnections(), sweepEveryMs);
  const forcing = setTimeout(() => http.closeAllConnections(), lastWordsMs);
  try {
    await server.close();
  } finally {
    clearInterval(sweeping);
    clearTimeout(forcing);
  }
}
