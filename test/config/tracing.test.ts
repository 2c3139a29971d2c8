import { readTracing } from '../../src/config/tracing';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test.each([
  ['nothing', {}],
  ['only a name', { OTEL_SERVICE_NAME: 'chat' }],
  ['a disabled SDK', { ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }],
  ['no exporter', { ...endpoint, OTEL_TRACES_EXPORTER: 'none' }],
  ['another exporter', { ...endpoint, OTEL_TRACES_EXPORTER: 'zipkin,console' }],
])('with %s in the environment, traces are off', (_, variables) => {
  expect(readTracing(variables)).toBeUndefined();
});

test('an endpoint for all signals gets the path of traces; one for traces is taken as it is', () => {
  expect(readTracing(endpoint)).toEqual({
    url: 'http://collector:4318/v1/traces',
    headers: {},
    exportTimeoutMs: 5_000,
    serviceName: undefined,
    resourceAttributes: {},
    sampler: 'parentbased_always_on',
    sampledRatio: 1,
    warnings: [],
  });
  expect(readTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector/otlp/' })?.url).toBe(
    'https://collector/otlp/v1/traces',
  );
  const own = { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/in' };
  expect(readTracing(own)?.url).toBe('https://traces.example.com/in');
});

test('names, attributes and headers are read, percent-encoded as they are', () => {
  const settings = readTracing({
    ...endpoint,
    OTEL_SERVICE_NAME: 'chat',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=prod, team=a%20b,broken,=x,bad=%zz',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20abc=,x-tenant=blue',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-tenant=green',
    OTEL_EXPORTER_OTLP_TIMEOUT: '2000',
  });
  expect(settings).toMatchObject({
    serviceName: 'chat',
    resourceAttributes: { 'deployment.environment.name': 'prod', team: 'a b' },
    headers: { authorization: 'Basic abc=', 'x-tenant': 'green' },
    exportTimeoutMs: 2_000,
    warnings: [],
  });
});

test('a sampler and its share are read', () => {
  const sampler = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' };
  expect(readTracing({ ...endpoint, ...sampler })).toMatchObject({ sampler: 'traceidratio', sampledRatio: 0.25 });
});

test.each([
  ['an address that is none', { OTEL_EXPORTER_OTLP_ENDPOINT: 'secret-collector:4317' }, 'http or https'],
  ['another protocol', { ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'http/protobuf'],
])('%s turns traces off and is told, without the address', (_, variables, reason) => {
  const settings = readTracing(variables);
  expect(settings).toMatchObject({ url: null, warnings: [expect.stringContaining(reason)] });
  expect(settings?.warnings.join()).not.toContain('collector:');
});

test.each([
  ['an unknown sampler', { OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER'],
  [
    'a share that is none',
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '25%' },
    'OTEL_TRACES_SAMPLER_ARG',
  ],
])('%s is told, and the default applies', (_, variables, name) => {
  const settings = readTracing({ ...endpoint, ...variables });
  expect(settings).toMatchObject({ sampledRatio: 1, warnings: [expect.stringContaining(name)] });
});
