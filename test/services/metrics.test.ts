/** What a worker counts of its turns, against what the ledger keeps of them. */
import { answerFlags } from '../../src/contract/user-evidence';
import { ServiceMetrics } from '../../src/services/metrics';
import { type RunningWorker, startWorker } from '../../src/services/worker';
import { eventually } from '../support/eventually';
import { samplesIn, sumIn } from '../support/metrics-text';
import { prepareService, primaryModel, type Service } from '../support/service';
import { testEnvironment, unique } from '../support/temporal';

let service: Service;
let worker: RunningWorker;
let metrics: ServiceMetrics;

beforeEach(async () => {
  service = await prepareService({
    configuration: {
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 0, delayJitterMs: 0, baseTimeoutMs: 500, timeoutJitterMs: 0 },
      breaker: { failures: 3, halfOpenAfterMs: 600_000 },
    },
  });
  metrics = new ServiceMetrics();
  worker = await startWorker({
    settings: service.settings,
    streams: service.streams,
    workflowBundle: process.env[testEnvironment.workflowBundle],
    metrics,
  });
});
afterEach(async () => {
  await worker.stop();
  await service.stop();
});

const ask = (content = 'Where is my order?') =>
  service.client.complete({ turnId: unique('turn'), messages: [{ role: 'user', content }] });

async function nanoUsd(name: string, labels?: Readonly<Record<string, string>>): Promise<number> {
  return Math.round((sumIn(await metrics.text(), name, labels) ?? 0) * 1e9);
}

test('calls and costs are those of the ledger to the nano-dollar, also where calls fail, time out and are retried', async () => {
  for (let turn = 0; turn < 7; turn += 1) await ask(`Where is order ${'7'.repeat(turn * 13)}?`);
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: { kind: 'status', status: 503 } });
  await ask();
  await service.simulator.setBehaviour(primaryModel, {
    alwaysFault: { kind: 'false-usage', usage: { total_tokens: -1 } },
  });
  await ask();
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: { kind: 'silence' } });
  await ask();

  const totals = await service.ledger.costTotals();
  expect(totals.costNanoUsd).toBeGreaterThan(0);
  expect(totals.unconfirmedNanoUsd).toBeGreaterThan(0);
  expect(await nanoUsd('bellwether_cost_usd_total', { certainty: 'confirmed' })).toBe(totals.costNanoUsd);
  expect(
    (await nanoUsd('bellwether_cost_usd_total', { certainty: 'unconfirmed' })) -
      (await nanoUsd('bellwether_unconfirmed_resolved_usd_total')),
  ).toBe(totals.unconfirmedNanoUsd);

  const rows = await service.ledger.attempts();
  const text = await metrics.text();
  expect(sumIn(text, 'bellwether_calls_total')).toBe(rows.length);
  for (const kind of ['answered', 'server-error', 'timeout']) {
    const labels = { kind, arm: 'holysheep', target: 'holysheep-primary' };
    const expected = rows.filter(({ outcome, target }) => outcome === kind && target === labels.target).length;
    expect([kind, sumIn(text, 'bellwether_calls_total', labels)]).toEqual([kind, expected]);
  }
  const timed = rows.filter(({ outcome }) => outcome === 'answered' || outcome === 'timeout').length;
  expect(sumIn(text, 'bellwether_call_seconds_count')).toBe(timed);
  for (const kind of ['read', 'write']) expect(sumIn(text, 'bellwether_ledger_up', { kind })).toBe(1);
  expect(sumIn(text, 'bellwether_ledger_seconds_count', { kind: 'write' })).toBeGreaterThan(rows.length);
});

test('an answer adds its flags, with the language of the question', async () => {
  await service.simulator.setBehaviour(primaryModel, { poorAnswers: [{ kind: 'wrong-language', probability: 1 }] });
  await ask('我的订单在哪里？请帮我查一下，谢谢。');
  const labels = { arm: 'holysheep', flag: 'wrong-language', language: 'zh' };
  expect(sumIn(await metrics.text(), 'bellwether_quality_flags_total', labels)).toBe(1);
});

test('a circuit that opens is told under the name of its target', async () => {
  const circuit = async (target: string) => sumIn(await metrics.text(), 'bellwether_circuit_state', { target });
  expect(await circuit('holysheep-primary')).toBe(0);
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: { kind: 'status', status: 503 } });
  await ask();
  await ask();
  expect(await circuit('holysheep-primary')).toBe(2);
  expect(await circuit('holysheep-fallback')).toBe(0);
});

test('feedback that comes through a session’s workflow is counted', async () => {
  const sessionId = unique('session');
  const { turn_id } = await service.client.send({ sessionId, content: 'Where is my order?' });
  await service.client.feedback(turn_id, 'down', { sessionId });
  await eventually('it is counted', async () => {
    return sumIn(await metrics.text(), 'bellwether_feedback_total', { arm: 'holysheep', signal: 'down' }) === 1;
  });
});

test('no label holds what a caller sent', async () => {
  const secret = 'kookaburra';
  await service.client.send({ sessionId: `${secret}-session`, userId: `${secret}-user`, content: `${secret}?` });
  const text = await metrics.text();
  expect(text).not.toContain(secret);
  for (const { labels } of samplesIn(text)) {
    if (labels['flag'] !== undefined) expect(answerFlags).toContain(labels['flag']);
  }
});

test('a ledger that takes no writes is told, however many reads succeed meanwhile', async () => {
  const seen = new ServiceMetrics();
  const up = async (kind: string) => sumIn(await seen.text(), 'bellwether_ledger_up', { kind });
  expect(samplesIn(await seen.text()).filter(({ name }) => name === 'bellwether_ledger_up')).toEqual([]);
  seen.ledger.tried('write', 0.01, false);
  seen.ledger.tried('read', 0.01, true);
  expect([await up('write'), await up('read')]).toEqual([0, 1]);
  seen.ledger.tried('write', 0.01, true);
  expect(await up('write')).toBe(1);
});
