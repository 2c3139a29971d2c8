import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { notificationEvents, type NotifyTarget } from '../../src/contract/notifications';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers a request, or does not. */
export type Answer = (response: ServerResponse, received: Received) => void;

export const answers = {
  ok: (response: ServerResponse) => void response.writeHead(200).end('ok'),
  status:
    (status: number, headers = {}): Answer =>
    (response) =>
      void response.writeHead(status, headers).end('no'),
  hang: () => undefined,
};

/** A real HTTP server that is told things. */
export class Receiver {
  readonly received: Received[] = [];
  answer: Answer = answers.ok;
  private server: Server | undefined;
  private port = 0;

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.start();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  get titles(): readonly string[] {
    return this.received.map(({ body }) => (JSON.parse(body) as { title: string }).title);
  }

  /** Again on the same port, after `kill`. */
  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = { headers: request.headers, body: Buffer.concat(chunks).toString() };
        this.received.push(received);
        this.answer(response, received);
      });
    });
    await new Promise<void>((resolve) => this.server?.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Breaks every connection. */
  async kill(): Promise<void> {
    const { server } = this;
    if (!server?.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const testSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export function targetAt(url: string, over: Partial<NotifyTarget> = {}): NotifyTarget {
  return {
    name: 'ops',
    format: 'json',
    events: new Set(notificationEvents),
    pageUrl: null,
    source: 'url',
    readAddress: () => ({ url, secrets: [Buffer.from(testSecret.slice('whsec_'.length), 'base64')] }),
    ...over,
  };
}
