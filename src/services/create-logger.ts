import pino from 'pino';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings';

/** Structured logs on standard error: JSON lines, readable when it is a terminal. */
export function createLogger(level: Settings['logLevel']): Logger {
  return process.stderr.isTTY
    ? pino({ level, transport: { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } } })
    : pino({ level }, pino.destination({ dest: 2, sync: true }));
}
