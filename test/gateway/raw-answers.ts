import { connect, type Socket } from 'node:net';

/** Whatever is not finished after 10 s is given up by the gateway. */
const openTooLongMs = 30_000;

/** What came over a connection, until the other side ended it. */
export async function exchange(url: string, talk: (socket: Socket) => void): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => talk(socket));
    socket.on('data', (bytes) => received.push(bytes));
    // A server that refuses need not read to the end: what is still on its way then resets the connection.
    socket.on('error', (error: Error & { code?: string }) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.setTimeout(openTooLongMs, () => socket.destroy(new Error('The connection stays open, and nothing comes.')));
    socket.on('close', () => resolve(Buffer.concat(received).toString()));
  });
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The answers in what came over a connection; each must say its length, as all but streams do here. */
export function answersIn(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    const end = bytes.indexOf('\r\n\r\n');
    const [first = '', ...lines] = bytes.subarray(0, end).toString().split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
    if (end === -1 || Number.isNaN(status)) throw new Error(`That is no answer: ${bytes.toString()}`);
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':', 1)[0]?.toLowerCase(), line.replace(/^.*?: */, '')]),
    );
    const length = Number(headers['content-length'] ?? 0);
    const body = bytes.subarray(end + 4, end + 4 + length).toString();
    answers.push({ status, headers, body });
    bytes = bytes.subarray(end + 4 + length);
  }
  return answers;
}
