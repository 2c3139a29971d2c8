import { DefaultLogger, Runtime } from '@temporalio/worker';
import type { LogLevel } from '@temporalio/worker';
import pino from 'pino';
import type { Logger } from 'pino';
import type { Settings } from './config/settings';

/**
 * Structured logs on standard error: JSON lines, readable when it is a terminal. Also takes over what Temporal's SDK
 * logs, so it must be called before the first worker or native connection of the process.
 */
export function installLogging(level: Settings['logLevel']): Logger {
  const logger = process.stderr.isTTY
    ? pino({ level, transport: { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } } })
    : pino({ level }, pino.destination({ dest: 2, sync: true }));
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
