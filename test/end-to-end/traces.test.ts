import pino from 'pino';
import { createTestKey, type ErrorAnswer } from '../gateway/gateway-service';
import { allEvents, chunksOf } from '../gateway/read-stream';
import type { Completion } from '../../src/gateway/completion';
import { faults } from '../../src/local/simulator/behaviour';
import { type Simulator, startSimulator } from '../../src/local/simulator/simulator';
import { type ServedGateway, serveGateway } from '../../src/services/gateway';
import type { RunningWorker } from '../../src/services/worker';
import { failed, kinds, type OtlpCollector, startOtlpCollector } from '../support/otlp-collector';
import { fallbackModel, prepareService, primaryModel, type Service, testApiKey } from '../support/service';

const secretText = 'blue-elephant-7431';
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callerSpanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${callerSpanId}-01`;

let collector: OtlpCollector;
let second: Simulator;
let service: Service;
let worker: RunningWorker;
let gateway: ServedGateway;
let key: string;
let logged: Record<string, unknown>[];
beforeEach(async () => {
  collector = await startOtlpCollector();
  second = await startSimulator({ models: { [fallbackModel]: { pieceGapMs: 5 } } });
  service = await prepareService({
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint },
    configuration: {
      providers: { second: { baseUrl: second.baseUrl } },
      arms: {
        holysheep: {
          targets: [
            { name: 'holysheep-primary', provider: 'holysheep', model: primaryModel, firstAttempt: 'local' },
            { name: 'holysheep-fallback', provider: 'second', model: fallbackModel },
          ],
        },
      },
      defaultArm: 'holysheep',
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 10, delayJitterMs: 0 },
    },
  });
  logged = [];
  const write = (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>);
  gateway = await serveGateway({
    settings: service.settings,
    host: '127.0.0.1',
    port: 0,
    logger: pino({ level: 'debug' }, { write }),
    streams: service.streams,
  });
  worker = await service.startWorker();
  key = await createTestKey(service);
});
afterEach(async () => {
  await gateway.close();
  await service.stop();
  await second.close();
  await collector.close();
});

/** After which every span has been sent. */
async function stop(): Promise<void> {
  await gateway.close();
  await worker.stop();
}

function ask(changes: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'bellwether',
      messages: [{ role: 'user', content: `Where is ${secretText}?` }],
      ...changes,
    }),
  });
}

test('one streamed turn that is retried and fails over is one trace, without a word of what was said', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: faults.serverError() });
  const headers = { traceparent, tracestate: 'vendor=1', 'x-bellwether-session': 'order-7' };
  const response = await ask({ stream: true }, headers);
  const turnId = response.headers.get('x-bellwether-turn-id');
  const chunks = chunksOf(await allEvents(response));
  expect(chunks.at(-1)).toMatchObject({ bellwether: { attempts: 3, trace_id: traceId } });
  await stop();

  const { spans } = collector;
  expect(spans.map(({ name }) => name).toSorted()).toEqual(
    [
      'POST /v1/chat/completions',
      'admit turn',
      `chat ${primaryModel}`,
      `chat ${primaryModel}`,
      `chat ${fallbackModel}`,
      'record turn',
    ].toSorted(),
  );
  expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]));

  const server = spans.find(({ kind }) => kind === kinds.server);
  expect(server).toMatchObject({
    service: 'bellwether-gateway',
    parentSpanId: callerSpanId,
    status: { code: 0 },
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/v1/chat/completions',
      'http.response.status_code': 200,
      'bellwether.turn.id': turnId,
      'bellwether.arm': 'holysheep',
    },
  });
  const steps = spans.filter((span) => span !== server);
  for (const step of steps) {
    expect(step).toMatchObject({ service: 'bellwether-worker', parentSpanId: server?.spanId });
    expect(step.attributes).toMatchObject({ 'bellwether.turn.id': turnId, 'bellwether.arm': 'holysheep' });
    expect(step.attributes['gen_ai.conversation.id']).toBe(server?.attributes['gen_ai.conversation.id']);
    expect(step.endNs).toBeGreaterThanOrEqual(step.startNs);
    expect(step.endNs).toBeLessThanOrEqual(server?.endNs ?? 0n);
  }

  const calls = spans
    .filter(({ kind }) => kind === kinds.client)
    .toSorted((one, other) => Number(one.startNs - other.startNs));
  const common = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.stream': true, 'server.address': '127.0.0.1' };
  const failedCall = {
    status: { code: failed, message: '' },
    attributes: {
      ...common,
      'gen_ai.provider.name': 'holysheep',
      'gen_ai.request.model': primaryModel,
      'server.port': Number(new URL(service.simulator.baseUrl).port),
      'error.type': 'server-error',
      'http.response.status_code': 500,
    },
  };
  expect(calls).toMatchObject([
    failedCall,
    failedCall,
    {
      status: { code: 0 },
      events: [{ name: 'bellwether.first_token' }],
      attributes: {
        ...common,
        'gen_ai.provider.name': 'second',
        'gen_ai.request.model': fallbackModel,
        'gen_ai.response.model': fallbackModel,
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': expect.any(Number),
        'gen_ai.usage.output_tokens': expect.any(Number),
        'gen_ai.response.time_to_first_chunk': expect.any(Number),
        'server.port': Number(new URL(second.baseUrl).port),
        'bellwether.target': 'holysheep-fallback',
      },
    },
  ]);
  expect(calls.map(({ attributes }) => attributes['bellwether.attempt'])).toEqual([1, 2, 3]);
  const [first] = calls[2]?.events ?? [];
  expect(first?.atNs).toBeGreaterThanOrEqual(calls[2]?.startNs ?? 0n);
  expect(first?.atNs).toBeLessThanOrEqual(calls[2]?.endNs ?? 0n);

  const sent = Buffer.concat(collector.bodies).toString('latin1');
  expect(sent).toContain(turnId);
  for (const secret of [secretText, 'Your order', testApiKey, key]) expect(sent).not.toContain(secret);

  const ended = logged.find(({ msg }) => msg === 'request ended');
  expect(ended).toMatchObject({ trace_id: traceId, turn_id: turnId, turnId, arm: 'holysheep' });
});

test('a turn whose caller has no trace begins one, and a refused request has a span without a turn', async () => {
  const answer = (await (await ask()).json()) as Completion;
  await ask({ messages: [] });
  await ask({}, { authorization: 'Bearer bw_wrong', traceparent });
  await stop();
  const servers = collector.spans.filter(({ kind }) => kind === kinds.server);
  expect(servers).toMatchObject([
    { parentSpanId: '', attributes: { 'bellwether.turn.id': answer.bellwether.turn_id } },
    { parentSpanId: '', attributes: { 'http.response.status_code': 400 }, status: { code: 0 } },
  ]);
  const own = collector.spans.filter((span) => span.traceId === answer.bellwether.trace_id);
  expect(own.map(({ name }) => name).toSorted()).toEqual(
    ['POST /v1/chat/completions', 'admit turn', `chat ${primaryModel}`, 'record turn'].toSorted(),
  );
});

test('a turn that no model answers is a failed request with the code of its error', async () => {
  await service.simulator.setBehaviour(primaryModel, { alwaysFault: faults.serverError() });
  await second.setBehaviour(fallbackModel, { alwaysFault: faults.serverError() });
  const response = await ask();
  const { error } = (await response.json()) as ErrorAnswer;
  await stop();
  const server = collector.spans.find(({ kind }) => kind === kinds.server);
  expect(server).toMatchObject({
    status: { code: failed, message: '' },
    attributes: { 'error.type': error.code, 'http.response.status_code': response.status },
  });
  const record = collector.spans.find(({ name }) => name === 'record turn');
  expect(record?.attributes).toMatchObject({ 'bellwether.outcome': 'degraded' });
  expect(logged.find(({ msg }) => msg === 'request ended')).toMatchObject({ arm: 'holysheep' });
});

test('a turn that a service sends without a trace is one trace all the same, in the steps that follow too', async () => {
  await service.simulator.queueFaults(primaryModel, [faults.serverError()]);
  const reply = await service.client.complete({ messages: [{ role: 'user', content: 'Where is my order?' }] });
  expect(reply).toMatchObject({ success: true, attempts: 2 });
  await stop();
  const [admit] = collector.spans.filter(({ name }) => name === 'admit turn');
  expect(admit?.parentSpanId).toBe('');
  const others = collector.spans.filter((span) => span !== admit);
  expect(others.map(({ name }) => name)).toHaveLength(3);
  for (const other of others) expect(other).toMatchObject({ traceId: admit?.traceId, parentSpanId: admit?.spanId });
});

test('a trace that its caller does not sample is not sent, and its turn still names it', async () => {
  const answer = (await (await ask({}, { traceparent: `00-${traceId}-${callerSpanId}-00` })).json()) as Completion;
  await stop();
  expect(collector.spans).toEqual([]);
  expect(answer.bellwether.trace_id).toBe(traceId);
});

test('a hostile traceparent is ignored', async () => {
  const hostile = [
    `00-${traceId}-${callerSpanId}-01<script>`,
    '0'.repeat(8_000),
    `00-${'0'.repeat(32)}-${callerSpanId}-01`,
  ];
  for (const each of hostile) {
    const response = await ask({}, { traceparent: each, tracestate: `${secretText}=${'x'.repeat(600)}` });
    expect(response.status).toBe(200);
  }
  await stop();
  const servers = collector.spans.filter(({ kind }) => kind === kinds.server);
  expect(servers.map(({ parentSpanId }) => parentSpanId)).toEqual(['', '', '']);
  expect(Buffer.concat(collector.bodies).toString('latin1')).not.toContain(secretText);
});
