import pino from 'pino';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings';

/** Logs to standard error: JSON lines, or a readable format on a terminal. */
export function createLogger(level: Settings['logLevel']): Logger {
  return process.stderr.isTTY
    ? pino({ level, transport: { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } } })
    : pino({ level }, pino.destination({ dest: 2, sync: true }));
}
