import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { connect, connectBesideWorker } from '../client/connect';
import type { Settings } from '../config/settings';
import type { Ledger } from '../contract/ledger';
import type { TurnStreams } from '../contract/stream';
import { type Gateway, startGateway } from '../gateway/gateway';
import { openLedger } from '../ledger/open-ledger';
import { closeAll, closeAllAndThrow, type Closing } from '../platform/close-all';
import { openTurnStreams } from '../streams/open-streams';
import { connectToRedis, disconnect, reportOutages, type StreamLogger } from '../streams/redis-connection';
import type { RunningWorker } from './worker';

export interface ServeGatewayOptions {
  readonly settings: Settings;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly logger: Logger;
  /** `/metrics` without a key. Default: false. */
  readonly openMetrics?: boolean;
  /** Of a worker in this process. Default: its own, by the settings' Redis. */
  readonly streams?: TurnStreams;
  /** A worker in this process, which is stopped after the gateway: it is handed the turns that begin here. */
  readonly worker?: Pick<RunningWorker, 'connection'> | undefined;
}

export interface ServedGateway extends Gateway {
  readonly ledger: Ledger;
}

/** The composition root of a gateway: connects what it needs, and closes it behind it. Leaves nothing open when it fails. */
export async function serveGateway(options: ServeGatewayOptions): Promise<ServedGateway> {
  const { settings, host, port, logger, worker, openMetrics } = options;
  const { temporal, encryption, redisUrl } = settings;
  const closings: Closing[] = [];
  const close = (): Promise<void> => closeAll(closings);
  try {
    const place = { temporal, encryption: encryption ?? null };
    const client = await (worker ? connectBesideWorker(place, worker.connection) : connect(place));
    closings.push(() => client.disconnect());
    const ledger = await openLedger(settings);
    closings.push(() => ledger.close());
    const streams = options.streams ?? openTurnStreams(redisUrl, streamLogger(logger));
    if (!options.streams) closings.push(() => streams.close());
    const redis = redisUrl === undefined ? undefined : await openRequestCounter(redisUrl, streamLogger(logger));
    if (redis) closings.push(() => disconnect(redis));
    const gateway = await startGateway({ client, ledger, streams, settings, logger, host, port, redis, openMetrics });
    closings.push(() => gateway.close());
    return { url: gateway.url, ledger, close };
  } catch (error) {
    return closeAllAndThrow(error, closings, (err) => logger.warn({ err }, 'closing failed'));
  }
}

function streamLogger(logger: Logger) {
  return {
    info: (message: string) => logger.info(message),
    warn: (message: string) => logger.warn(message),
  };
}

/** A count is worth waiting for half a second; Redis answers within a millisecond. */
const countTimeoutMs = 500;

/** What is asked before it is connected is not counted; a Redis that is away must not keep the gateway from starting. */
const connectTimeoutMs = 2_000;

/**
 * Where all gateways count requests together. Connects, or goes on trying behind its caller's back. Never fails. `changes`:
 * what the connection has otherwise.
 */
export async function openRequestCounter(
  redisUrl: string,
  logger: StreamLogger,
  changes: RedisOptions = {},
): Promise<Redis> {
  const redis = connectToRedis(redisUrl, { commandTimeout: countTimeoutMs, enableOfflineQueue: false, ...changes });
  reportOutages([redis], logger, {
    away: 'Requests are not limited until it is back.',
    back: 'requests are limited again.',
  });
  const ready = new Promise<void>((resolve) => {
    redis.once('ready', resolve);
  });
  redis.connect().catch(() => undefined); // which the reports say
  await Promise.race([ready, delay(connectTimeoutMs, undefined, { ref: false })]);
  return redis;
}
