import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { parse } from 'protobufjs';
import { eventually } from './eventually';

/** The part of OpenTelemetry's protocol that carries spans, by its field numbers. */
const { root } = parse(
  `syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
  message Scope { string name = 1; string version = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5;
    int32 kind = 6; fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
    repeated KeyValue attributes = 9; repeated Event events = 11; Status status = 15;
  }
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; }
  message Status { string message = 2; int32 code = 3; }
  message KeyValue { string key = 1; Value value = 2; }
  message Value {
    oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; Array array_value = 5; }
  }
  message Array { repeated Value values = 1; }`,
  { keepCase: false },
);
const requestType = root.lookupType('Request');

export const kinds = { internal: 1, server: 2, client: 3 } as const;
export const failed = 2;

interface CollectedSpan {
  readonly service: unknown;
  readonly scope: string;
  readonly traceId: string;
  readonly spanId: string;
  /** '' for the first of its trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly atNs: bigint }[];
  readonly status: { readonly code: number; readonly message: string };
}

/** A collector of OpenTelemetry's spans over HTTP. */
export interface OtlpCollector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  /** What was sent, decompressed. */
  readonly bodies: readonly Buffer[];
  readonly headers: readonly NodeJS.Dict<string | string[]>[];
  /** Waits until a span fits. */
  spanOf(what: string, fits: (span: CollectedSpan) => boolean): Promise<CollectedSpan>;
  close(): Promise<void>;
}

interface WireValue {
  readonly arrayValue?: { readonly values: readonly WireValue[] };
  readonly [type: string]: unknown;
}

interface WireAttributes {
  readonly attributes: readonly { readonly key: string; readonly value: WireValue }[];
}

interface WireSpan extends WireAttributes {
  readonly [field: string]: unknown;
  readonly name: string;
  readonly kind: number;
  readonly events: readonly { readonly name: string; readonly timeUnixNano: string }[];
  readonly status?: { readonly code: number; readonly message: string };
}

interface WireRequest {
  readonly resourceSpans: readonly {
    readonly resource: WireAttributes;
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: readonly WireSpan[] }[];
  }[];
}

export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  const bodies: Buffer[] = [];
  const headers: NodeJS.Dict<string | string[]>[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((received) => {
      if (request.method !== 'POST' || request.url !== '/v1/traces') return response.writeHead(404).end();
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(received) : received;
      bodies.push(body);
      headers.push(request.headers);
      spans.push(...spansIn(body));
      return response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    headers,
    spanOf: async (what, fits) => {
      await eventually(what, () => Promise.resolve(spans.some(fits)));
      const found = spans.find(fits);
      if (!found) throw new Error(what);
      return found;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function spansIn(body: Buffer): readonly CollectedSpan[] {
  const options = { longs: String, arrays: true, defaults: false } as const;
  const { resourceSpans } = requestType.toObject(requestType.decode(body), options) as WireRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        service: valuesOf(resource)['service.name'],
        scope: scope.name,
        traceId: hex(span['traceId']),
        spanId: hex(span['spanId']),
        parentSpanId: hex(span['parentSpanId']),
        name: span.name,
        kind: span.kind,
        startNs: BigInt(String(span['startTimeUnixNano'])),
        endNs: BigInt(String(span['endTimeUnixNano'])),
        attributes: valuesOf(span),
        events: span.events.map(({ name, timeUnixNano }) => ({ name, atNs: BigInt(timeUnixNano) })),
        status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
      })),
    ),
  );
}

function valuesOf({ attributes }: WireAttributes): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain({ arrayValue, ...value }: WireValue): unknown {
  if (arrayValue !== undefined) return arrayValue.values.map(plain);
  const [type, held] = Object.entries(value)[0] ?? [];
  return type === 'intValue' ? Number(held) : held;
}

function hex(bytes: unknown): string {
  return bytes === undefined ? '' : Buffer.from(bytes as Uint8Array).toString('hex');
}
