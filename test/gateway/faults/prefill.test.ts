/** A stream that broke off is gone on with by another provider, which may not want to. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { faults } from '../../../src/local/simulator/behaviour';
import { keepAliveTimeoutMs } from '../../../src/local/simulator/simulator';
import { fallbackModel, primaryModel } from '../../support/service';
import { storedAnswer } from './ask';
import { retry, startFaultsSetting, type FaultsSetting } from './setting';

const wholeAnswer =
  'Your order has left our warehouse and should reach you within 2 to 3 days. The tracking link is in your e-mail.';
const cut = { kind: 'cut', afterTokens: 8 } as const;

describe('the next target', () => {
  let setting: FaultsSetting;
  beforeEach(async () => {
    // One of its own each time: a worker remembers who refused to go on.
    setting = await startFaultsSetting({ retry: { ...retry, maxAttemptsPerTarget: 1 } });
    await setting.primary.setBehaviour(primaryModel, { alwaysFault: cut });
  });
  afterEach(() => setting.stop());

  const fallbackStatuses = async () => (await setting.fallback.calls()).map(({ status }) => status);

  test('goes on from what was sent', async () => {
    const asked = await setting.ask('streamed');
    expect(asked).toMatchObject({ status: 200, content: wholeAnswer, answeredBy: 'fallback', attempts: 2 });
    expect(await setting.disagreements(asked.turnId)).toEqual([]);
    await setting.expectHealthy();
  });

  test('refuses that: it is asked again cleanly, and the caller never hears of it', async () => {
    await setting.fallback.setBehaviour(fallbackModel, { prefill: 'refuse' });
    const asked = await setting.ask('streamed');
    expect(asked).toMatchObject({ status: 200, content: wholeAnswer, answeredBy: 'fallback', attempts: 3 });
    expect(await fallbackStatuses()).toEqual([400, 200]);
    expect(await setting.disagreements(asked.turnId)).toEqual([]);
    await setting.expectHealthy();
  });

  test('refuses that, and then fails: the failure is what the caller hears of', async () => {
    await setting.fallback.setBehaviour(fallbackModel, { prefill: 'refuse', alwaysFault: faults.serverError(503) });
    const asked = await setting.ask('streamed');
    expect(asked).toMatchObject({ error: { code: 'provider_unavailable' } });
    expect(asked.raw).not.toMatch(/prefill/i);
    expect(await fallbackStatuses()).toEqual([400, 503]);
    await setting.expectHealthy();
  });

  test('has no room for what was sent: it is asked again cleanly', async () => {
    // The messages alone have 5 tokens here.
    await setting.fallback.setBehaviour(fallbackModel, { contextTokens: 20 });
    const asked = await setting.ask('streamed');
    expect(asked).toMatchObject({ status: 200, content: wholeAnswer, answeredBy: 'fallback', attempts: 3 });
    expect(await fallbackStatuses()).toEqual([400, 200]);
  });

  test('is never asked for that by a plain request', async () => {
    await setting.fallback.setBehaviour(fallbackModel, { prefill: 'refuse' });
    expect(await setting.ask('plain')).toMatchObject({ status: 200, content: wholeAnswer, attempts: 2 });
    expect(await fallbackStatuses()).toEqual([200]);
  });

  test.each([
    ['says it all again', 'ignore', 2],
    ['says something else behind it: it is asked anew', 'other', 3],
  ] as const)('%s, and the caller has the turn’s answer', async (_, prefill, attempts) => {
    await setting.fallback.setBehaviour(fallbackModel, { prefill });
    const asked = await setting.ask('streamed');
    expect(asked).toMatchObject({ status: 200, answeredBy: 'fallback', attempts, content: wholeAnswer });
    expect(await setting.disagreements(asked.turnId)).toEqual([]);
    await setting.expectHealthy();
  });
});

describe('a next target that begins alike and then says something else', () => {
  const otherAnswer = 'Your order has not been found. Please tell us its number.';
  let other: Server;
  let setting: FaultsSetting;
  beforeAll(async () => {
    other = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const word of otherAnswer.split(/(?<= )/)) {
        response.write(
          `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: word }, finish_reason: null }] })}\n\n`,
        );
      }
      const usage = { prompt_tokens: 20, completion_tokens: 12, total_tokens: 32 };
      response.write(
        `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage })}\n\n`,
      );
      response.end('data: [DONE]\n\n');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    setting = await startFaultsSetting({
      providers: { spare: { baseUrl: `http://127.0.0.1:${port}/v1` } },
      retry: { ...retry, maxAttemptsPerTarget: 1 },
    });
    await setting.primary.setBehaviour(primaryModel, { alwaysFault: cut });
  });
  afterAll(async () => {
    await setting.stop();
    other.close();
    other.closeAllConnections();
  });

  test('answers a plain request whole', async () => {
    expect(await setting.ask('plain')).toMatchObject({ status: 200, content: otherAnswer });
  });

  test('ends a stream in an error event that says where the whole answer is, and is never mixed with what was sent', async () => {
    const asked = await setting.ask('streamed');
    expect(asked).toMatchObject({ status: 200, error: { code: 'stream_diverged' }, finishReason: null });
    expect(wholeAnswer.startsWith(asked.content)).toBe(true);
    expect(asked.error?.message).toContain(`/v1/turns/${asked.turnId}`);
    expect(await storedAnswer(setting, asked.turnId)).toBe(otherAnswer);
  });
});
