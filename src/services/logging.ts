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

/** The SDK's metadata contains symbols and large workflow objects; only ids and errors are useful. */
function plainMeta(meta: Record<string | symbol, unknown> = {}): Record<string, unknown> {
  const { workflowId, runId, activityType, attempt, taskQueue, error } = meta;
  return { workflowId, runId, activityType, attempt, taskQueue, err: error };
}
