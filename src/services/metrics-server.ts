import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { foreignCaller, isLoopback } from '../access/loopback';

export interface MetricsPlace {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface MetricsServer {
  /** `http://127.0.0.1:9464/metrics`. */
  readonly url: string;
  close(): Promise<void>;
}

/** A scrape sends a few hundred bytes. */
const requestTimeoutMs = 10_000;

/**
 * Serves `GET /metrics` without a key: numbers and configured names only. On loopback, pages from elsewhere that are open in
 * a browser are refused, as the gateway refuses them.
 * @throws if the port is taken; the message says what to change
 */
export async function serveMetrics({ host, port }: MetricsPlace, text: () => Promise<string>): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    void answer(request, response, isLoopback(host), text);
  });
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw unusable(host, port, error);
  }
  const { address, family, port: actualPort } = server.address() as AddressInfo;
  const name = family === 'IPv6' ? `[${address}]` : address;
  return {
    url: `http://${name}:${actualPort}/metrics`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  isLocal: boolean,
  text: () => Promise<string>,
): Promise<void> {
  const say = (status: number, body: string, type = 'text/plain; charset=utf-8') =>
    void response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(body);
  if (isLocal && foreignCaller(request.headers)) return say(403, 'Metrics are for programs of this machine.\n');
  if (request.url?.split('?')[0] !== '/metrics') return say(404, 'Metrics are at /metrics.\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') return say(405, 'Metrics are read with GET.\n');
  try {
    say(200, await text(), 'text/plain; version=0.0.4; charset=utf-8');
  } catch {
    // Nothing of the error: it could name hosts and files.
    say(500, 'The metrics could not be read.\n');
  }
}

function unusable(host: string, port: number, cause: unknown): Error {
  const { code } = cause as NodeJS.ErrnoException;
  const reason = code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${code ?? 'unknown'})`;
  const advice = 'Choose another with --metrics-port or BELLWETHER_METRICS_PORT, or 0 for any free one.';
  return new Error(`Port ${port} of ${host} for the worker's metrics ${reason}. ${advice}`, { cause });
}
