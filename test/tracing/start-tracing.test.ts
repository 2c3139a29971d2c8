import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readTracing } from '../../src/config/tracing';
import { spanNames } from '../../src/tracing/names';
import { activeTraceContext, startSpan, traceContextOf, withSpan } from '../../src/tracing/spans';
import { startTracing, type Tracing } from '../../src/tracing/start-tracing';
import { eventually } from '../support/eventually';
import { failed, type OtlpCollector, startOtlpCollector } from '../support/otlp-collector';

// Each span is sent at once, so that a test sees several exports.
beforeAll(() => void (process.env['OTEL_BSP_SCHEDULE_DELAY'] = '1'));
afterAll(() => void delete process.env['OTEL_BSP_SCHEDULE_DELAY']);

const logged: { level: string; message: string }[] = [];
const log = {
  info: (message: string) => void logged.push({ level: 'info', message }),
  warn: (message: string) => void logged.push({ level: 'warn', message }),
};
beforeEach(() => logged.splice(0));

const start = (variables: Record<string, string>): Promise<Tracing> =>
  startTracing({ settings: readTracing(variables), part: 'worker', log });

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentOf = (flags: string) => ({ traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}`, tracestate: 'a=b' });

describe('with a collector', () => {
  let collector: OtlpCollector;
  let variables: Record<string, string>;
  beforeEach(async () => {
    collector = await startOtlpCollector();
    variables = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
  });
  afterEach(() => collector.close());

  test('spans arrive with their parent, service and headers', async () => {
    const tracing = await start({
      ...variables,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=chat',
    });
    const parent = startSpan(tracing.spans, { name: 'parent', parent: parentOf('01') });
    startSpan(tracing.spans, { name: 'child', parent: traceContextOf(parent) }).end();
    parent.end();
    await tracing.close();
    const [child, own] = ['child', 'parent'].map((name) => collector.spans.find((span) => span.name === name));
    expect(own).toMatchObject({ traceId, parentSpanId: '00f067aa0ba902b7', service: 'chat', scope: 'bellwether' });
    expect(child).toMatchObject({ traceId, parentSpanId: own?.spanId });
    expect(collector.headers[0]).toMatchObject({ 'x-tenant': 'blue', 'content-type': 'application/x-protobuf' });
    expect(logged).toEqual([]);
  });

  test('an error is told by its type, and not with its words', async () => {
    const tracing = await start(variables);
    const work = () => Promise.reject(new TypeError('the words of a user'));
    await expect(withSpan(tracing.spans, { name: spanNames.admit, parent: undefined }, work)).rejects.toThrow('words');
    await tracing.close();
    expect(collector.spans).toMatchObject([
      { parentSpanId: '', attributes: { 'error.type': 'TypeError' }, status: { code: failed, message: '' } },
    ]);
    expect(Buffer.concat(collector.bodies).toString('latin1')).not.toContain('words');
  });

  test.each([
    ['parentbased_always_on', '01', true],
    ['parentbased_always_on', '00', false],
    ['parentbased_always_off', '01', true],
    ['always_on', '00', true],
    ['always_off', '01', false],
    ['traceidratio', '01', false],
    ['parentbased_traceidratio', '01', true],
  ])('the sampler %s with a parent of flags %s: sent is %s', async (sampler, flags, isSent) => {
    const share = { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: '0' };
    const tracing = await start({ ...variables, ...share });
    const span = startSpan(tracing.spans, { name: 'span', parent: parentOf(flags) });
    span.end();
    await tracing.close();
    expect(collector.spans.length > 0).toBe(isSent);
    // Also one that is not sent has an id that others can be children of, and tells them not to be sent either.
    expect(traceContextOf(span)).toMatchObject({ tracestate: 'a=b' });
    expect(traceContextOf(span)?.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-0${isSent ? 1 : 0}$`));
  });

  test('long attributes are cut off', async () => {
    const tracing = await start(variables);
    startSpan(tracing.spans, { name: 'span', parent: undefined, attributes: { long: 'x'.repeat(10_000) } }).end();
    await tracing.close();
    expect(collector.spans[0]?.attributes['long']).toBe('x'.repeat(256));
  });
});

test('without an endpoint, spans have no ids', async () => {
  const tracing = await start({});
  const span = startSpan(tracing.spans, { name: 'span', parent: parentOf('01') });
  expect(traceContextOf(span)).toBeUndefined();
  expect(span.isRecording()).toBe(false);
  await tracing.close();
  expect(activeTraceContext()).toBeUndefined();
  expect(logged).toEqual([]);
});

test('an endpoint that cannot be used is told once', async () => {
  const tracing = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' });
  expect(traceContextOf(startSpan(tracing.spans, { name: 'span', parent: undefined }))).toBeUndefined();
  await tracing.close();
  expect(logged).toEqual([{ level: 'warn', message: expect.stringContaining('OTEL_EXPORTER_OTLP_ENDPOINT') }]);
});

test('a collector that refuses is told once, and once more when it is back', async () => {
  let status = 401;
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume();
    response.writeHead(status).end('the words of a user');
  });
  const tracing = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: `${await listen(server)}/?key=secret#` });
  const send = async (): Promise<void> => {
    const before = requests;
    startSpan(tracing.spans, { name: 'span', parent: undefined }).end();
    await eventually('the collector is asked', () => requests > before);
  };
  await send();
  await send();
  await send();
  status = 200;
  await send();
  await eventually('it is back', () => logged.length > 1);
  await tracing.close();
  server.close();
  expect(logged).toEqual([
    { level: 'warn', message: expect.stringContaining('HTTP 401') },
    { level: 'info', message: expect.stringContaining('takes traces again') },
  ]);
  expect(JSON.stringify(logged)).not.toMatch(/secret|words/);
});

test('a collector that is silent for ever does not keep a process from stopping', async () => {
  let requests = 0;
  const server = createServer(() => (requests += 1));
  const tracing = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: await listen(server) });
  startSpan(tracing.spans, { name: 'span', parent: undefined }).end();
  await tracing.close();
  expect(requests).toBe(1);
  server.closeAllConnections();
  server.close();
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
