import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { LogLevel } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings';
import { createLogger } from './create-logger';

/**
 * Creates the process's logger and redirects the logs of Temporal's SDK to it. Call it before the first worker or native
 * connection of the process is created.
 */
export function installLogging(level: Settings['logLevel']): Logger {
  const logger = createLogger(level);
  Runtime.install({
    logger: new DefaultLogger(level.toUpperCase() as LogLevel, ({ level: entryLevel, message, meta }) => {
      logger[pinoLevels[entryLevel]](plainMeta(meta), message);
    }),
    // Every command decides itself when and in which order to stop its parts.
    shutdownSignals: [],
  });
  return logger;
}

const pinoLevels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** The SDK's metadata contains symbols and large workflow objects; only ids and errors are useful. */
function plainMeta(meta: Record<string | symbol, unknown> = {}): Record<string, unknown> {
  const { workflowId, runId, activityType, attempt, taskQueue, error } = meta;
  return { workflowId, runId, activityType, attempt, taskQueue, err: error };
}
