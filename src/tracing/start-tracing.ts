import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type * as Sdk from '@opentelemetry/sdk-trace-base';
import type { TracingSettings } from '../config/settings';
import { readPackageInfo } from '../platform/package-info';
import { scopeName } from './names';
import { noSpans, type SpanSource } from './spans';

export interface Tracing {
  readonly spans: SpanSource;
  /** Sends what has not been sent yet; what takes longer than a few seconds is lost. Never rejects. */
  close(): Promise<void>;
}

export interface TracingOptions {
  readonly settings: TracingSettings | undefined;
  /** `gateway` or `worker`: part of the service's name, unless that is configured. */
  readonly part: string;
  readonly log: { info(message: string): void; warn(message: string): void };
}

/** Orchestrators kill after 30 s, most of which belongs to turns. */
const flushTimeoutMs = 3_000;

/** Names that providers invent may be longer. */
const maxAttributeLength = 256;

/** Starts the export of spans, if it is configured. OpenTelemetry's SDK is loaded only then. */
export async function startTracing({ settings, part, log }: TracingOptions): Promise<Tracing> {
  for (const warning of settings?.warnings ?? []) log.warn(warning);
  if (settings === undefined || settings.url === null) return { spans: noSpans, close: async () => undefined };
  const { url, headers, exportTimeoutMs, resourceAttributes, serviceName } = settings;

  const sdk = await import('@opentelemetry/sdk-trace-base');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  const { defaultResource, resourceFromAttributes } = await import('@opentelemetry/resources');
  const exporter = new OTLPTraceExporter({ url, headers, timeoutMillis: exportTimeoutMs });
  const { version } = readPackageInfo();
  const provider = new sdk.BasicTracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({
        'service.version': version,
        'service.instance.id': randomUUID(),
        ...resourceAttributes,
        'service.name': serviceName ?? resourceAttributes['service.name'] ?? `bellwether-${part}`,
      }),
    ),
    sampler: samplerOf(settings, sdk),
    spanLimits: { attributeValueLengthLimit: maxAttributeLength },
    // Its queue holds 2,048 spans; when it is full, further ones are dropped.
    spanProcessors: [new sdk.BatchSpanProcessor(tellingOutages(exporter, url, log))],
  });
  return {
    spans: provider.getTracer(scopeName, version),
    close: async () => {
      const flushed = provider.shutdown().catch(() => undefined);
      await Promise.race([flushed, delay(flushTimeoutMs, undefined, { ref: false })]);
    },
  };
}

function samplerOf({ sampler, sampledRatio }: TracingSettings, sdk: typeof Sdk): Sdk.Sampler {
  const always = sampler.endsWith('always_on')
    ? new sdk.AlwaysOnSampler()
    : sampler.endsWith('always_off')
      ? new sdk.AlwaysOffSampler()
      : new sdk.TraceIdRatioBasedSampler(sampledRatio);
  return sampler.startsWith('parentbased') ? new sdk.ParentBasedSampler({ root: always }) : always;
}

/** The SDK tells nobody that spans are lost. The log says so once, and once more when the collector is back. */
function tellingOutages(exporter: Sdk.SpanExporter, url: string, log: TracingOptions['log']): Sdk.SpanExporter {
  // The rest of the address may contain a key.
  const { origin } = new URL(url);
  let isAway = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const { error } = result;
        if (error !== undefined && !isAway) {
          log.warn(
            `Traces are being lost: the collector at ${origin} does not take them (${reasonOf(error)}). Turns go on. Check OTEL_EXPORTER_OTLP_ENDPOINT and the collector.`,
          );
        }
        if (error === undefined && isAway) log.info(`The collector at ${origin} takes traces again.`);
        isAway = error !== undefined;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

function reasonOf({ code, message }: Error & { readonly code?: unknown }): string {
  if (typeof code === 'number') return `HTTP ${code}`;
  return typeof code === 'string' ? code : message;
}
