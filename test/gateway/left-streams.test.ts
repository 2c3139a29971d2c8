/** What is left of a stream whose client has gone, at whatever moment: nothing. */
import { connect, type Socket } from 'node:net';
import type { StreamPiece } from '../../src/contract/stream';
import { MemoryStreams } from '../../src/streams/memory-streams';
import { eventually } from '../support/eventually';
import { hello } from './gateway-service';
import { type HeldGatewayService, heldUser, startHeldGatewayService } from './held-model';

let setting: HeldGatewayService;
beforeAll(async () => {
  setting = await startHeldGatewayService();
});
afterAll(() => setting.stop());
beforeEach(async () => {
  setting.model.hold();
  await setting.service.simulator.clearCalls();
});

type Form = 'chat/completions' | 'responses';
const forms: readonly Form[] = ['chat/completions', 'responses'];

function bodyOf(form: Form, user: string): string {
  const { model, messages } = hello;
  const asked = form === 'responses' ? { input: messages[0].content } : { messages };
  return JSON.stringify({ model, ...asked, user, stream: true });
}

/** A client that sends a streamed request and reads nothing of its answer. */
function ask(form: Form, url: string, user = 'anybody'): Socket {
  const body = bodyOf(form, user);
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
    socket.write(
      `POST /v1/${form} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${setting.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  });
  return socket.pause();
}

async function openStreams(url: string): Promise<number> {
  const text = await setting.metrics(url);
  return Number(/^bellwether_gateway_open_streams (.*)$/m.exec(text)?.[1]);
}

describe.each(forms)('%s', (form) => {
  test('a stream that ended in a status has no reader any more', async () => {
    const streams = new MemoryStreams();
    const gateway = await setting.startGateway({ streams });
    const authorization = `Bearer ${await setting.createKey({ totalNanoUsd: 1 })}`;
    const response = await fetch(`${gateway.url}/v1/${form}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: bodyOf(form, 'anybody'),
    });
    expect(response.status).toBe(402);
    await response.text();
    await eventually('nobody reads', () => streams.turnCount === 0);
    await gateway.close();
  });

  test('a client that stalled and left leaves no reader', async () => {
    const streams = new EndlessStreams();
    const gateway = await setting.startGateway({ streams });
    const socket = ask(form, gateway.url, heldUser);
    await eventually('the connection is full', () => streams.isStalled());
    expect(streams.readers).toBe(1);
    expect(await openStreams(gateway.url)).toBe(1);
    socket.destroy();
    await eventually('nobody reads', () => streams.readers === 0);
    await eventually('no stream is open', async () => (await openStreams(gateway.url)) === 0);
    setting.model.release();
    await gateway.close();
  });

  test('a client that left before its turn began leaves no reader', async () => {
    const { ledger } = setting.service;
    const streams = new MemoryStreams();
    let isRegistering = false;
    let goOn = (): void => undefined;
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    const requests: typeof ledger.requests = {
      find: (turnId) => ledger.requests.find(turnId),
      prune: (nowMs) => ledger.requests.prune(nowMs),
      deleteResponse: (turnId) => ledger.requests.deleteResponse(turnId),
      findByKey: (keyId, idempotencyKey) => ledger.requests.findByKey(keyId, idempotencyKey),
      register: async (request) => {
        isRegistering = true;
        await mayGoOn;
        return ledger.requests.register(request);
      },
    };
    const gateway = await setting.startGateway({
      streams,
      ledger: {
        keys: ledger.keys,
        requests,
        sessions: ledger.sessions,
        recordFeedback: (feedback) => ledger.recordFeedback(feedback),
        check: () => ledger.check(),
      },
      limits: { holdHeadersMs: 50 },
    });
    const loggedBefore = setting.logged.length;
    const socket = ask(form, gateway.url);
    await eventually('the request is being registered', () => isRegistering);
    socket.destroy();
    await eventually('the gateway has noticed', () =>
      setting.logged
        .slice(loggedBefore)
        .some((line) => line.includes('request ended') && line.includes('"status":499')),
    );
    goOn();
    await eventually('the turn is answered', async () => {
      const [call] = await setting.service.simulator.calls();
      return call?.outcome === 'answered';
    });
    await eventually('nobody reads', () => streams.turnCount === 0);
    expect(await openStreams(gateway.url)).toBe(0);
    await gateway.close();
  });

  test('a client that stalls is cut off some time after its turn has ended', async () => {
    const streams = new EndlessStreams();
    const gateway = await setting.startGateway({ streams, limits: { readWithinMs: 50 } });
    const socket = ask(form, gateway.url, heldUser);
    await eventually('the connection is full', () => streams.isStalled());
    expect(await openStreams(gateway.url)).toBe(1);
    setting.model.release();
    await eventually('it is cut off', async () => (await openStreams(gateway.url)) === 0);
    await eventually('nobody reads', () => streams.readers === 0);
    socket.destroy();
    await gateway.close();
  });
});

/** Text without an end, so that any connection is full at some time. */
class EndlessStreams extends MemoryStreams {
  readers = 0;
  private taken = 0;
  private seen = -1;

  /** Whether nothing was taken since the last look. */
  isStalled(): boolean {
    const isStalled = this.taken > 0 && this.taken === this.seen;
    this.seen = this.taken;
    return isStalled;
  }

  override async *read(_turnId: string, signal: AbortSignal): AsyncGenerator<StreamPiece, void, undefined> {
    this.readers += 1;
    try {
      for (let at = 0; !signal.aborted; at += 16_384) {
        this.taken += 1;
        yield { attempt: 1, at, text: 'x'.repeat(16_384) };
      }
    } finally {
      this.readers -= 1;
    }
  }
}
