import { join } from 'node:path';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { startRollout } from '../ledger/user-rollouts';
import { eventually } from '../support/eventually';
import { startHeldProvider } from '../support/held-provider';
import { startOtlpCollector } from '../support/otlp-collector';
import { startRecordingProvider } from '../support/recording-provider';
import { prepareService, primaryModel, startService } from '../support/service';
import { startOwnTemporal, unique } from '../support/temporal';
import { spawnWorker } from '../support/worker-process';

const secretText = 'blue-elephant-7431';
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${spanId}-01`;
const messages = [{ role: 'user', content: `Where is ${secretText}?` }] as const;
const loadedModules = join(__dirname, '../support/loaded-modules.js');

/** One turn of a rollout in a worker's process, whose provider may have the traceparent of each call. */
async function tracedTurn(environment: Readonly<Record<string, string>>) {
  const provider = await startRecordingProvider();
  const service = await prepareService({
    environment: { ...environment, HOLYSHEEP_BASE_URL: provider.baseUrl, LOG_LEVEL: 'INFO' },
    configuration: { providers: { holysheep: { sendTraceparent: true } } },
  });
  try {
    const rollout = unique('rollout');
    // All users are on the canary.
    await startRollout(service.ledger, rollout, {}, 100);
    const worker = spawnWorker(service, [loadedModules]);
    const reply = await service.client.complete({ messages, userId: 'user', trace: { traceparent } });
    await worker.stop();
    const output = worker.output();
    const lines = output.split('\n').filter((line) => line.startsWith('{'));
    return {
      rollout,
      reply,
      output,
      recorded: lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ msg }) => msg === 'turn recorded'),
      header: provider.requests[0]?.headers['traceparent'],
    };
  } finally {
    await service.stop();
    await provider.close();
  }
}

test('without an endpoint, a worker loads no SDK and sends no header, and its log still names turn, trace, bake and arm', async () => {
  const { rollout, reply, output, recorded, header } = await tracedTurn({});
  expect(reply).toMatchObject({ success: true, trace_id: traceId });
  expect(output).toMatch(/^loaded: api$/m);
  expect(header).toBeUndefined();
  const fields = { turn_id: reply.turn_id, trace_id: traceId, rollout, bake: 1, arm: reply.handler };
  expect(recorded).toMatchObject([{ ...fields, outcome: 'answered', attempts: 1, target: reply.provider }]);
  expect(output).not.toContain(secretText);
});

test('with an endpoint, spans name the bake, and a provider that may have it gets the traceparent of its call', async () => {
  const collector = await startOtlpCollector();
  const { rollout, output, header } = await tracedTurn({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  expect(output).toMatch(/^loaded: .*\bsdk-trace-base\b/m);
  expect(collector.spans.map(({ name }) => name).toSorted()).toEqual(
    ['admit turn', `chat ${primaryModel}`, 'record turn'].toSorted(),
  );
  for (const span of collector.spans) {
    expect(span).toMatchObject({ traceId, parentSpanId: spanId });
    expect(span.attributes).toMatchObject({ 'bellwether.rollout': rollout, 'bellwether.bake': 1 });
  }
  const call = collector.spans.find(({ name }) => name.startsWith('chat'));
  expect(header).toBe(`00-${traceId}-${call?.spanId}-01`);
  await collector.close();
});

test('a turn whose worker is killed amid its call is still one trace', async () => {
  const [collector, provider, temporal] = await Promise.all([
    startOtlpCollector(),
    startHeldProvider(),
    // So soon does Temporal notice that a worker is dead.
    startOwnTemporal({ workflowTaskTimeoutSeconds: 2 }),
  ]);
  const environment = { HOLYSHEEP_BASE_URL: provider.baseUrl, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
  const service = await prepareService({ temporal, environment });
  try {
    const victim = spawnWorker(service);
    const asked = service.client.complete({ messages, trace: { traceparent } });
    await eventually('the call has begun', () => provider.requestIds.length === 1);
    await victim.kill();
    const successor = spawnWorker(service);
    await eventually('the call was made again', () => provider.requestIds.length === 2);
    provider.letGo();
    await expect(asked).resolves.toMatchObject({ success: true, attempts: 2, trace_id: traceId });
    await successor.stop();
    expect(collector.spans.every((span) => span.traceId === traceId && span.parentSpanId === spanId)).toBe(true);
    const calls = collector.spans.filter(({ name }) => name.startsWith('chat'));
    expect(calls.map(({ attributes }) => attributes['bellwether.attempt'])).toEqual([2]);
  } finally {
    await service.stop();
    await Promise.all([collector.close(), provider.close(), temporal.stop()]);
  }
});

test('a service that uses OpenTelemetry passes its active span on, and its turn id names the same request in every trace', async () => {
  const service = await startService();
  let active = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: 1 });
  const manager = {
    active: () => active,
    with: () => {
      throw new Error('not needed here');
    },
    bind: <Target>(_: unknown, target: Target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);
  try {
    const turnId = unique('turn');
    const send = () => service.client.send({ sessionId: 'session', turnId, content: 'Where is my order?' });
    await expect(send()).resolves.toMatchObject({ trace_id: traceId });
    active = trace.setSpanContext(ROOT_CONTEXT, { traceId: traceId.replace('4', '5'), spanId, traceFlags: 1 });
    // The first request decided; the second is the same request for all that.
    await expect(send()).resolves.toMatchObject({ trace_id: traceId, attempts: 1 });
    active = ROOT_CONTEXT;
    await expect(service.client.complete({ messages })).resolves.not.toHaveProperty('trace_id');
    const invalid = service.client.complete({ messages, trace: { traceparent: 'trace-1' } });
    await expect(invalid).rejects.toMatchObject({ problems: [{ path: ['trace', 'traceparent'] }] });
  } finally {
    context.disable();
    await service.stop();
  }
});
