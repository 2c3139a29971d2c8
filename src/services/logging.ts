import { DefaultLogger, Runtime, type RuntimeOptions } from '@temporalio/worker';
import type { LogLevel } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings';
import { createLogger } from './create-logger';

export interface InstallOptions {
  /** Where Temporal's SDK serves what it counts: `127.0.0.1:9465`. Default: nowhere. */
  readonly temporalMetricsAddress?: string | undefined;
}

/**
 * Creates the process's logger, redirects the logs of Temporal's SDK to it and sets up the SDK's metrics. Call it before the
 * first worker or native connection of the process is created.
 */
export function installLogging(level: Settings['logLevel'], { temporalMetricsAddress }: InstallOptions = {}): Logger {
  const logger = createLogger(level);
  Runtime.install({
    logger: new DefaultLogger(level.toUpperCase() as LogLevel, ({ level: entryLevel, message, meta }) => {
      logger[pinoLevels[entryLevel]](plainMeta(meta), message);
    }),
    // Every command decides itself when and in which order to stop its parts.
    shutdownSignals: [],
    ...(temporalMetricsAddress !== undefined && { telemetryOptions: telemetryAt(temporalMetricsAddress) }),
  });
  return logger;
}

/** With the names and units that Prometheus recommends. */
function telemetryAt(bindAddress: string): RuntimeOptions['telemetryOptions'] {
  return {
    metrics: {
      prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
    },
  };
}

/** What Temporal's SDK counts at most takes a millisecond to read; a scrape waits no longer than this for it. */
const temporalMetricsTimeoutMs = 2_000;

/** Reads the metrics of Temporal's SDK in this process; empty if they cannot be read. */
export async function readTemporalMetrics(address: string): Promise<string> {
  try {
    const answer = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(temporalMetricsTimeoutMs) });
    return answer.ok ? await answer.text() : '';
  } catch {
    return '';
  }
}

const pinoLevels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

const sdkFields = 'workflowId runId activityType attempt taskQueue';

/** What the activities log about a turn and its calls. The gateway's lines have the same names. */
const turnFields =
  'turn_id trace_id rollout bake arm target provider model kind httpStatus retryDelayMs outcome attempts latencyMs costUsd';

const loggedFields = `${sdkFields} ${turnFields}`.split(' ');

/** The SDK's metadata contains symbols and large workflow objects; only ids, numbers and errors are useful. */
function plainMeta(meta: Record<string | symbol, unknown> = {}): Record<string, unknown> {
  const known = loggedFields.filter((name) => meta[name] !== undefined).map((name) => [name, meta[name]]);
  return { ...(Object.fromEntries(known) as Record<string, unknown>), ...('error' in meta && { err: meta['error'] }) };
}
