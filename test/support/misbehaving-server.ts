import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface MisbehavingServer {
  /** `127.0.0.1:12345`. */
  readonly address: string;
  /** Everything received so far. */
  received(): string;
  /** Connections that carried a request and are still open. */
  openCalls(): number;
  close(): Promise<void>;
}

/**
 * A TCP server that sends given bytes once it has received a complete HTTP head: answers that no HTTP library would
 * send.
 */
export async function startMisbehavingServer(onRequest: (socket: Socket) => void): Promise<MisbehavingServer> {
  const sockets = new Set<Socket>();
  const callers = new Set<Socket>();
  let received = '';
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      callers.delete(socket);
    });
    // A client that aborts resets the connection, which is what these tests are about.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received += chunk.toString();
      if (callers.has(socket) || !received.includes('\r\n\r\n')) return;
      callers.add(socket);
      onRequest(socket);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => received,
    openCalls: () => callers.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
