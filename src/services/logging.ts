import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { LogLevel } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings';
import { createLogger } from './create-logger';

/**
 * The process's logger, which also takes over what Temporal's SDK logs: to be called before the first worker or native
 * connection of the process.
 */
export function installLogging(level: Settings['logLevel']): Logger {
  const logger = createLogger(level);
  Runtime.install({
    logger: new DefaultLogger(level.toUpperCase() as LogLevel, ({ level: entryLevel, message, meta }) => {
      logger[pinoLevels[entryLevel]](plainMeta(meta), message);
    }),
    // A command decides itself when to stop its worker, in which order and how.
    shutdownSignals: [],
  });
  return logger;
}

const pinoLevels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/** The SDK's metadata holds symbols and large workflow objects; ids and errors are what helps. */
function plainMeta(meta: Record<string | symbol, unknown> = {}): Record<string, unknown> {
  const { workflowId, runId, activityType, attempt, taskQueue, error } = meta;
  return { workflowId, runId, activityType, attempt, taskQueue, err: error };
}
