/**
 * One API key that sends the worst that is allowed, from a process of its own, until its time is over. Reads a `Hostility` as
 * its only argument and prints a `HostileReport` at its end.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { heaviestTaken } from '../support/heavy-requests';

export interface Hostility {
  readonly url: string;
  readonly key: string;
  readonly seconds: number;
  /** A model that takes its time, so that turns pile up. */
  readonly slowModel: string;
}

/** How often each way of sending got which status, with the code of its error: `429 rate_limit_exceeded`. */
export type HostileReport = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Sooner than OpenAI's clients try again. */
const pauseAfterRefusalMs = 250;

// It stands for another machine: what it takes of this one's processors is not to count.
setPriority(constants.priority.PRIORITY_LOW);

async function attack({ url, key, seconds, slowModel }: Hostility): Promise<HostileReport> {
  const endsAtMs = performance.now() + seconds * 1_000;
  const isOver = (): boolean => performance.now() > endsAtMs;
  const counts: Record<string, Record<string, number>> = {};
  const count = (way: string, status: string): void => {
    const of = (counts[way] ??= {});
    of[status] = (of[status] ?? 0) + 1;
  };
  const dispatcher = new Agent({ connections: 500, headersTimeout: 200_000, bodyTimeout: 200_000 });
  const authorization = `Bearer ${key}`;
  let sent = 0;

  async function post(way: string, body: string, signal?: AbortSignal): Promise<void> {
    sent += 1;
    try {
      const response = await request(`${url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher,
        body,
        signal,
        headers: {
          authorization,
          'content-type': 'application/json',
          ...(sent % 2 === 0 && { 'x-bellwether-session': `hostile-${process.pid}-${sent}` }),
        },
      });
      const text = await response.body.text();
      const [, code = ''] = /"code":"(\w+)"/.exec(text.slice(-2_000)) ?? [];
      count(way, `${response.statusCode} ${response.statusCode === 200 ? '' : code}`.trim());
      if (response.statusCode !== 200) await sleep(pauseAfterRefusalMs);
    } catch (error) {
      count(way, signal?.aborted ? 'left' : ((error as NodeJS.ErrnoException).code ?? (error as Error).name));
      await sleep(pauseAfterRefusalMs);
    }
  }

  const long = 'All work and no play. '.repeat(47_000);
  const longTurn = (fields: object = {}): string =>
    JSON.stringify({ model: slowModel, messages: [{ role: 'user', content: long }], ...fields });
  const kinds = Object.values(heaviestTaken).map((heavy) => JSON.stringify({ model: 'bellwether', ...heavy }));
  const image = (): string =>
    JSON.stringify({
      model: slowModel,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${picture()}` } },
          ],
        },
      ],
    });

  const ways: Readonly<Record<string, { readonly callers: number; readonly once: () => Promise<void> }>> = {
    'turns of 1 MB to a slow model': { callers: 150, once: () => post('turns of 1 MB to a slow model', longTurn()) },
    'streams of 1 MB': { callers: 20, once: () => post('streams of 1 MB', longTurn({ stream: true })) },
    'the heaviest of each kind': {
      callers: 8,
      once: () => post('the heaviest of each kind', kinds[sent % kinds.length] ?? ''),
    },
    'small turns': {
      callers: 50,
      once: () => post('small turns', JSON.stringify({ model: slowModel, messages: hello })),
    },
    'pictures of 12 MB': { callers: 3, once: () => post('pictures of 12 MB', image()) },
    'clients that leave': {
      callers: 10,
      once: () => post('clients that leave', longTurn(), AbortSignal.timeout(300)),
    },
    'uploads that never end': { callers: 50, once: () => neverEndingUpload() },
  };

  /** Says that it brings 1 MB and brings a kilobyte a second. */
  function neverEndingUpload(): Promise<void> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      let answer = '';
      const dripping = setInterval(() => (isOver() ? socket.destroy() : socket.write(' '.repeat(1_024))), 1_000);
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(dripping);
        const [, status = 'ended'] = /^HTTP\/1\.1 (\d+)/.exec(answer) ?? [];
        const [, code = ''] = /"code":"(\w+)"/.exec(answer) ?? [];
        count('uploads that never end', `${status} ${code}`.trim());
        void sleep(pauseAfterRefusalMs).then(resolve);
      });
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: ${authorization}\r\n` +
          'content-type: application/json\r\ncontent-length: 1000000\r\n\r\n{',
      );
    });
  }

  const callers = Object.values(ways).flatMap(({ callers: number, once }) =>
    Array.from({ length: number }, async () => {
      while (!isOver()) await once();
    }),
  );
  await Promise.race([Promise.all(callers), sleep(seconds * 1_000 + 5_000)]);
  return counts;
}

const hello = [{ role: 'user', content: 'Where is my order?' }];

/** The beginning of a PNG picture of 100 × 100 pixels, and then noise, new each time so that none is known yet. */
function picture(): string {
  const bytes = randomBytes(9_000_000);
  Buffer.from('89504e470d0a1a0a0000000d4948445200000064000000640802000000', 'hex').copy(bytes);
  return bytes.toString('base64');
}

attack(JSON.parse(process.argv[2] ?? '') as Hostility)
  .then((report) => process.stdout.write(JSON.stringify(report), () => process.exit(0)))
  .catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
