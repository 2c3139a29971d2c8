/**
 * Traces: OpenTelemetry's own variables, as all its tools read them. What is wrong with them never stops a process, because
 * they are often set for all services of a machine: traces are then off, or the default applies, and the log says so.
 */
import type { TracingSettings } from './settings';

type Values = Readonly<Record<string, string>>;

export const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

const defaultSampler = 'parentbased_always_on';

/** Undefined: traces are off. */
export function readTracing(variables: Values): TracingSettings | undefined {
  if (variables['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined;
  const exporters = variables['OTEL_TRACES_EXPORTER']?.split(',').map((exporter) => exporter.trim());
  if (exporters !== undefined && !exporters.includes('otlp')) return undefined;
  const own = variables['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  const shared = variables['OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (own === undefined && shared === undefined) return undefined;

  const warnings: string[] = [];
  const variable = own === undefined ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
  const url = own ?? `${shared?.replace(/\/+$/, '')}/v1/traces`;
  const isUsable = URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
  // The address may contain a password, so a warning never repeats it.
  if (!isUsable) warnings.push(`${variable} must be an http or https address, so traces are off.`);
  const protocol = variables['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? variables['OTEL_EXPORTER_OTLP_PROTOCOL'];
  const isSpoken = protocol === undefined || protocol === 'http/protobuf';
  if (!isSpoken) {
    warnings.push(
      `OTEL_EXPORTER_OTLP_PROTOCOL is "${protocol}", but only http/protobuf (port 4318 of most collectors) is spoken, so traces are off.`,
    );
  }
  return {
    url: isUsable && isSpoken ? url : null,
    headers: {
      ...pairs(variables['OTEL_EXPORTER_OTLP_HEADERS']),
      ...pairs(variables['OTEL_EXPORTER_OTLP_TRACES_HEADERS']),
    },
    exportTimeoutMs: readTimeout(variables),
    serviceName: variables['OTEL_SERVICE_NAME'],
    resourceAttributes: pairs(variables['OTEL_RESOURCE_ATTRIBUTES']),
    ...readSampler(variables, warnings),
    warnings,
  };
}

/** Less than OpenTelemetry's 10 s: so much longer does a process that stops live if its collector does not answer. */
const defaultExportTimeoutMs = 5_000;

function readTimeout(variables: Values): number {
  const timeoutMs = Number(variables['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT'] ?? variables['OTEL_EXPORTER_OTLP_TIMEOUT']);
  return timeoutMs > 0 ? timeoutMs : defaultExportTimeoutMs;
}

function readSampler(variables: Values, warnings: string[]): Pick<TracingSettings, 'sampler' | 'sampledRatio'> {
  const named = variables['OTEL_TRACES_SAMPLER'] ?? defaultSampler;
  const sampler = samplers.find((name) => name === named);
  if (sampler === undefined) {
    warnings.push(
      `OTEL_TRACES_SAMPLER is "${named}", which is none of ${samplers.join(', ')}: ${defaultSampler} is used.`,
    );
  }
  const text = variables['OTEL_TRACES_SAMPLER_ARG'];
  const ratio = Number(text ?? 1);
  const isRatio = ratio >= 0 && ratio <= 1;
  if (sampler?.endsWith('ratio') && !isRatio) {
    warnings.push(`OTEL_TRACES_SAMPLER_ARG is "${text}", which is no number from 0 to 1: 1 is used.`);
  }
  return { sampler: sampler ?? defaultSampler, sampledRatio: isRatio ? ratio : 1 };
}

/** `key=value,key=value`, percent-encoded, as in W3C Baggage. What is not is left out. */
function pairs(text = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const split = pair.indexOf('=');
    if (split <= 0) continue;
    try {
      found[decodeURIComponent(pair.slice(0, split).trim())] = decodeURIComponent(pair.slice(split + 1).trim());
    } catch {
      // Not percent-encoded.
    }
  }
  return found;
}
