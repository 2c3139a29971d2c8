import { setTimeout as sleep } from 'node:timers/promises';
import { SessionBusyError, TurnStoppedError } from '../../src/client/errors';
import { connect } from '../../src/client/connect';
import type { BellwetherClient } from '../../src/client/bellwether-client';
import type { ConfigFileInput } from '../../src/config/schema';
import { conversationWorkflowId, turnName } from '../../src/contract/names';
import { eventually } from '../support/eventually';
import { prepareService, primaryModel, type Service } from '../support/service';
import { startStrictProvider, type StrictProvider } from '../support/strict-provider';
import { unique } from '../support/temporal';

/** Calls that no test waits for the end of. */
const endless = { tokens: 100_000, gapMs: 20 };
const streamed = { content: 'Where is my order?', delivery: 'streamed' } as const;

let provider: StrictProvider;
let service: Service;
/** As another process would have it. */
let other: BellwetherClient;

async function start(firstAttempt: 'local' | 'regular', changes: ConfigFileInput = {}): Promise<void> {
  provider = await startStrictProvider(endless);
  const target = { name: 'only', provider: 'holysheep', model: primaryModel, firstAttempt } as const;
  service = await prepareService({
    configuration: { arms: { holysheep: { targets: [target] } }, defaultArm: 'holysheep', ...changes },
    environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
  });
  other = await connect({ temporal: service.settings.temporal, encryption: null, idKey: null });
}

async function stop(): Promise<void> {
  await other.disconnect();
  await service.stop();
  await provider.close();
}

const openCalls = () => provider.calls.filter(({ endedAtMs }) => endedAtMs === null);
const speaks = (call: number) => eventually(`call ${call} speaks`, () => (provider.calls[call - 1]?.tokens ?? 0) > 1);

describe.each(['local', 'regular'] as const)('the first call as a %s activity', (firstAttempt) => {
  beforeAll(async () => {
    await start(firstAttempt);
    await service.startWorker();
  });
  afterAll(stop);
  beforeEach(() => void (provider.calls as unknown[]).splice(0));

  test('a turn is stopped by another process, and keeps what it has shown', async () => {
    const [sessionId, turnId] = [unique('session'), unique('turn')];
    const answer = service.client.send({ sessionId, turnId, ...streamed });
    await speaks(1);
    expect(await other.cancelTurn(turnId, { sessionId })).toBe('in-progress');
    const reply = await answer;
    expect(reply).toMatchObject({ stopped: true, success: false, attempts: 1, provider: 'only' });
    expect(reply.content).toMatch(/^1 2 /);
    await eventually('no call is open', () => openCalls().length === 0);
    expect(await other.cancelTurn(turnId, { sessionId })).toBe('stopped');
    const { turns } = await other.transcript(sessionId);
    expect(turns).toMatchObject([{ turnId, reply: { stopped: true, content: reply.content } }]);
    expect(await service.ledger.attempts(turnName(turnId, sessionId))).toMatchObject([{ state: 'unconfirmed' }]);
  });

  test('a one-shot turn is stopped', async () => {
    const turnId = unique('turn');
    const answer = service.client.complete({
      turnId,
      messages: [{ role: 'user', content: 'Where is my order?' }],
      delivery: 'streamed',
    });
    await speaks(1);
    await service.client.cancelTurn(turnId);
    expect(await answer).toMatchObject({ stopped: true, attempts: 1 });
    await eventually('no call is open', () => openCalls().length === 0);
  });

  test('a message that interrupts stops the turn of another process and those that wait, and is answered', async () => {
    const sessionId = unique('session');
    const running = service.client.send({ sessionId, ...streamed });
    await speaks(1);
    const waiting = service.client.send({ sessionId, ...streamed }).catch((error: unknown) => error);
    const turnId = unique('turn');
    const interrupting = other.send({ sessionId, turnId, ...streamed, content: 'No, wait.', whileBusy: 'interrupt' });
    expect(await running).toMatchObject({ stopped: true });
    // It comes to the conversation before or after the message that interrupts, and in the second case waits for that.
    await speaks(2);
    expect(openCalls()).toHaveLength(1);
    const own = service.client.send({ sessionId, ...streamed, content: 'Or no.', whileBusy: 'interrupt' });
    await waiting;
    expect(await interrupting).toMatchObject({ stopped: true });
    await eventually('one call is open', () => openCalls().length === 1);
    const { turns } = await service.client.transcript(sessionId).catch(() => ({ turns: [] }));
    for (const { reply } of turns) expect(reply.stopped).toBe(true);
    await eventually('nothing is left', async () => {
      for (const { requestId } of openCalls()) {
        await service.client.cancelTurn(requestId.replace(/\.\d+$/, ''), { sessionId });
      }
      return openCalls().length === 0;
    });
    expect(await own).toMatchObject({ stopped: true });
  });

  test('a message that is not to wait is refused, in its own process at once', async () => {
    const [sessionId, turnId] = [unique('session'), unique('turn')];
    const running = service.client.send({ sessionId, turnId, ...streamed });
    await speaks(1);
    const rejected = { sessionId, ...streamed, whileBusy: 'reject' } as const;
    await expect(service.client.send(rejected)).rejects.toThrow(SessionBusyError);
    // The conversation may hear of it only between two tasks.
    await expect(other.send(rejected)).rejects.toThrow(SessionBusyError);
    await service.client.cancelTurn(turnId, { sessionId });
    expect(await running).toMatchObject({ stopped: true });
    expect(provider.calls).toHaveLength(1);
  });

  test('a turn that waits in its process is ended without a call', async () => {
    const [sessionId, turnId, waitingId] = [unique('session'), unique('turn'), unique('turn')];
    const running = service.client.send({ sessionId, turnId, ...streamed });
    await speaks(1);
    const waiting = service.client.send({ sessionId, turnId: waitingId, ...streamed });
    await sleep(0);
    const [ended] = await Promise.allSettled([waiting, service.client.cancelTurn(waitingId, { sessionId })]);
    expect(ended).toMatchObject({ status: 'rejected', reason: expect.any(TurnStoppedError) });
    // Whoever sends it again gets no answer either.
    const again = service.client.send({ sessionId, turnId: waitingId, ...streamed });
    await service.client.cancelTurn(turnId, { sessionId });
    expect(await running).toMatchObject({ stopped: true });
    expect(await again).toMatchObject({ stopped: true, attempts: 0, content: '' });
    expect(provider.calls).toHaveLength(1);
  });
});

describe('without a call under way', () => {
  beforeAll(() => start('local', { retry: { baseDelayMs: 60_000, delayJitterMs: 0 } }));
  afterAll(stop);

  test('a turn that no worker has taken yet is never called', async () => {
    const [sessionId, turnId] = [unique('session'), unique('turn')];
    await service.ledger.stops.ask([turnName(turnId, sessionId)], Date.now());
    const answer = service.client.send({ sessionId, turnId, ...streamed });
    await service.startWorker();
    expect(await answer).toMatchObject({ stopped: true, attempts: 0, handler: null });
    expect(provider.calls).toEqual([]);
    const { turns } = await service.client.transcript(sessionId);
    expect(turns).toEqual([]);
  });

  test('a backoff ends at once', async () => {
    const [sessionId, turnId] = [unique('session'), unique('turn')];
    const answer = service.client.send({ sessionId, turnId, ...streamed });
    await eventually('the model is called', () => openCalls().length === 1);
    provider.breakOff();
    const conversation = service.temporal.workflow.getHandle(conversationWorkflowId(sessionId));
    await eventually('the turn waits', async () => {
      const { events } = await conversation.fetchHistory();
      return (
        events?.some(({ timerStartedEventAttributes: timer }) => Number(timer?.startToFireTimeout?.seconds) === 60) ??
        false
      );
    });
    await other.cancelTurn(turnId, { sessionId });
    expect(await answer).toMatchObject({ stopped: true, attempts: 1 });
    await eventually('no call is open', () => openCalls().length === 0);
  });
});
