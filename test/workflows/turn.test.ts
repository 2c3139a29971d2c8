import { CancelledFailure } from '@temporalio/common';
import type { WorkflowFailedError } from '@temporalio/client';
import { BudgetRefusedError } from '../../src/client/errors';
import { replyLanguages } from '../../src/contract/chat';
import { turnName, turnWorkflowId } from '../../src/contract/names';
import { type Fault, faults } from '../../src/local/simulator/behaviour';
import { eventually } from '../support/eventually';
import { fallbackModel, primaryModel, startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** Short waits between attempts; timeouts that no loaded machine reaches by itself. */
const quickRetries = { baseTimeoutMs: 10_000, baseDelayMs: 50, delayJitterMs: 50 };

/** The guide's timeouts at a tenth, for the tests that wait for them. */
const shortTimeouts = { ...quickRetries, baseTimeoutMs: 1_000, timeoutJitterMs: 100 };

let service: Service;
beforeAll(async () => {
  service = await startService({ configuration: { retry: quickRetries } });
});
afterAll(() => service.stop());
beforeEach(async () => {
  await service.simulator.clearCalls();
  await service.simulator.setBehaviour('*', { latency: { kind: 'fixed', ms: 0 }, alwaysFault: null });
});

const ask = (content = 'Where is my order?') => service.client.send({ sessionId: unique('session'), content });

test('a primary that fails once is asked again and answers', async () => {
  await service.simulator.queueFaults(primaryModel, [faults.serverError()]);
  await expect(ask()).resolves.toMatchObject({
    provider: 'holysheep-primary',
    attempts: 2,
    success: true,
    unconfirmed_usd: 0,
  });
});

test('Retry-After decides when a rate-limited target is asked again', async () => {
  await service.simulator.queueFaults(primaryModel, [faults.rateLimited({ 'retry-after': '1' })]);
  await expect(ask()).resolves.toMatchObject({ provider: 'holysheep-primary', attempts: 2 });
  const [first, second] = await service.simulator.calls();
  expect((second?.startedAtMs ?? 0) - (first?.endedAtMs ?? Infinity)).toBeGreaterThanOrEqual(1_000);
});

test('an error that no repetition can mend goes to the next target at once', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: faults.contextLength() });
  await expect(ask()).resolves.toMatchObject({ provider: 'holysheep-fallback', attempts: 2 });
});

const greetings = {
  en: 'Where is my order?',
  zh: '我的订单在哪里？',
  ja: '注文はどこですか？',
  ko: '주문은 어디에 있나요?',
  th: 'คำสั่งซื้อของฉันอยู่ที่ไหน',
  vi: 'Đơn hàng của tôi ở đâu?',
  id: 'Di mana pesanan saya?',
} as const;

test('when every model is down the user gets an apology in the language of the question', async () => {
  await service.simulator.setBehaviour('*', { alwaysFault: faults.unknownModel('any') });
  const replies = await Promise.all(replyLanguages.map((language) => ask(greetings[language])));
  for (const reply of replies) {
    expect(reply).toMatchObject({ provider: 'degraded-mode', model: null, attempts: 2, success: false, cost_usd: 0 });
    expect(reply.error).toContain('model_not_found');
  }
  expect(new Set(replies.map((reply) => reply.content)).size).toBe(replyLanguages.length);
});

test('after a degraded reply the model sees the unanswered question, and not the apology', async () => {
  const sessionId = unique('session');
  await service.simulator.setBehaviour('*', { alwaysFault: faults.contentFilter() });
  const degraded = await service.client.send({ sessionId, content: 'first question' });
  await service.simulator.setBehaviour('*', { alwaysFault: null });
  await service.client.send({ sessionId, content: 'second question' });
  const { turns } = await service.client.transcript(sessionId);
  expect(turns.map((turn) => turn.userContent)).toEqual(['first question', 'second question']);
  const [failed, answered] = [degraded, turns[1]?.reply];
  expect(failed.success).toBe(false);
  // Two questions cost more prompt tokens than one; the apology's 100 characters would cost far more.
  const alone = await service.client.send({ sessionId: unique('session'), content: 'second question' });
  const extraTokens = (answered?.tokens_used ?? 0) - alone.tokens_used;
  expect(extraTokens).toBeGreaterThan(0);
  expect(extraTokens).toBeLessThan(20);
});

test('content that a provider refuses is offered to no other, and the reply says why', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: faults.contentFilter('No poems about tarragon.') });
  const reply = await ask('A poem, please?');
  expect(reply).toMatchObject({ success: false, attempts: 1, error_kind: 'content-filter' });
  expect(reply.error).toContain('No poems about tarragon.');
});

describe('a provider that answers nonsense', () => {
  const nonsense: readonly [string, Fault][] = [
    ['HTML', { kind: 'html' }],
    ['no choices', { kind: 'no-choices' }],
    ['invalid JSON', { kind: 'invalid-json' }],
    ['10 MB', { kind: 'large-body', bytes: 10 * 1024 * 1024 }],
  ];
  test.each(nonsense)('%s: the fallback answers, and the call counts', async (_, fault) => {
    await service.simulator.queueFaults(primaryModel, [fault]);
    const reply = await ask();
    expect(reply).toMatchObject({ provider: 'holysheep-fallback', attempts: 2, success: true });
    // At what its provider claims, or else at its reservation.
    const [row] = await service.ledger.attempts(`${reply.turn_id} in ${reply.session_id}`);
    expect(row?.costNanoUsd).toBeGreaterThan(0);
  });

  test('no usage: the answer is given, at the reserved amount, as unconfirmed', async () => {
    await service.simulator.queueFaults(primaryModel, [{ kind: 'no-usage' }]);
    const reply = await ask();
    expect(reply).toMatchObject({ provider: 'holysheep-primary', attempts: 1, success: true, cost_usd: 0 });
    expect(reply.unconfirmed_usd).toBeGreaterThan(0);
  });
});

describe('timeouts', () => {
  let impatient: Service;
  beforeAll(async () => {
    impatient = await startService({ configuration: { retry: shortTimeouts } });
  });
  afterAll(() => impatient.stop());

  test('a byte a second: the attempt ends at its time limit', async () => {
    await impatient.simulator.queueFaults(primaryModel, [{ kind: 'slow-body', bytesPerSecond: 1 }]);
    const reply = await impatient.client.send({ sessionId: unique('session'), content: 'Hello' });
    expect(reply).toMatchObject({ provider: 'holysheep-primary', attempts: 2, success: true });
  });

  test('a silent primary gets three attempts with growing timeouts, then the fallback answers', async () => {
    await impatient.simulator.clearCalls();
    await impatient.simulator.setBehaviour(primaryModel, { alwaysFault: { kind: 'silence' } });
    const sentAtMs = Date.now();
    const reply = await impatient.client.send({ sessionId: unique('session'), content: 'Hello' });
    expect(reply).toMatchObject({ provider: 'holysheep-fallback', model: fallbackModel, attempts: 4, success: true });
    expect(reply.unconfirmed_usd).toBeGreaterThan(0);
    const calls = await impatient.simulator.calls();
    // From one end to the next, as a provider that stands still sees a call begin late. The schedule gives 1, 2 and 4 s.
    const endsAtMs = [sentAtMs, ...calls.slice(0, 3).map((call) => call.endedAtMs ?? 0)];
    const durations = endsAtMs.slice(1).map((endAtMs, index) => endAtMs - (endsAtMs[index] ?? Infinity));
    // A hair less, as timers and clocks round.
    for (const [index, leastMs] of [990, 1_990, 3_990].entries())
      expect(durations[index]).toBeGreaterThanOrEqual(leastMs);
    expect(calls.map((call) => call.model)).toEqual([primaryModel, primaryModel, primaryModel, fallbackModel]);
  });
});

test('a one-shot turn is answered once, however often it is asked for', async () => {
  const request = { turnId: unique('turn'), messages: [{ role: 'user', content: 'Hello [ref:once]' }] } as const;
  const [first, second] = await Promise.all([service.client.complete(request), service.client.complete(request)]);
  expect(first.content).toContain('[ref:once]');
  expect(second).toEqual(first);
  await expect(service.client.complete(request)).resolves.toEqual(first);
  expect(await service.simulator.calls()).toHaveLength(1);
});

test('a one-shot turn that is cancelled ends as cancelled and is recorded', async () => {
  await service.simulator.queueFaults(primaryModel, [faults.serverError(), { kind: 'silence' }]);
  const turnId = unique('turn');
  const answer = service.client.complete({ turnId, messages: [{ role: 'user', content: 'Hello' }] });
  answer.catch(() => undefined);
  const handle = service.temporal.workflow.getHandle(turnWorkflowId(turnId, null));
  await eventually('the retry runs', async () => (await service.simulator.calls()).length > 1);
  await handle.cancel();
  const error: unknown = await handle.result().catch((caught: unknown) => caught);
  expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
  await expect(answer).rejects.toMatchObject({ code: 'turn-failed' });
  // A call is in the ledger first.
  await eventually('every attempt is a call', async () => {
    const rows = await service.ledger.attempts(turnId);
    return rows.length === (await service.simulator.calls()).length;
  });
});

describe('budgets', () => {
  test('a session that reached its limit is refused before any call, and its customer is told nothing of budgets', async () => {
    const poor = await startService({ configuration: { budgets: { sessionUsd: 0.0005 } } });
    try {
      const sessionId = unique('session');
      const sendUntilRefused = async (): Promise<never> => {
        await poor.client.send({ sessionId, content: 'Where is my order?' });
        return sendUntilRefused();
      };
      const error: unknown = await sendUntilRefused().catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(BudgetRefusedError);
      const { reply } = error as BudgetRefusedError;
      expect(reply).toMatchObject({
        content: 'I am sorry, I cannot answer this message.',
        error: 'Session spending limit reached',
        refused_by: 'session',
        blocked: true,
        cost_usd: 0,
        attempts: 0,
        success: false,
      });
      const calls = await poor.simulator.calls();
      expect(calls.length).toBe((await poor.ledger.attempts()).length);
      await expect(poor.client.send({ sessionId: unique('session'), content: 'Hello' })).resolves.toMatchObject({
        success: true,
      });
    } finally {
      await poor.stop();
    }
  });

  test('a used-up day refuses every session', async () => {
    const poor = await startService({ configuration: { budgets: { dayUsd: 0.0001 } } });
    try {
      const error: unknown = await poor.client
        .send({ sessionId: unique('s'), content: 'Hello' })
        .catch((caught: unknown) => caught);
      expect((error as BudgetRefusedError).reply.error).toBe('Daily budget exceeded');
      expect(await poor.simulator.calls()).toHaveLength(0);
    } finally {
      await poor.stop();
    }
  });

  test('a request that asks for more completion tokens than the hard cap gets the cap', async () => {
    const reply = await service.client.send({ sessionId: unique('session'), content: 'Hello', maxTokens: 1_000_000 });
    expect(reply.success).toBe(true);
    const [row] = await service.ledger.attempts(turnName(reply.turn_id, reply.session_id));
    // 2,000 completion tokens at $0.42 per million are 840,000 nano-dollars; the prompt's bytes come on top.
    expect(row?.reservedNanoUsd).toBeGreaterThan(840_000);
    expect(row?.reservedNanoUsd).toBeLessThan(900_000);
  });
});
