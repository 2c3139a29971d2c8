import { setTimeout as delay } from 'node:timers/promises';
import type { Redis, RedisOptions } from 'ioredis';
import type { Logger } from 'pino';
import { connect, connectBesideWorker } from '../client/connect';
import type { Settings } from '../config/settings';
import type { Ledger } from '../contract/ledger';
import type { RedisObserver } from '../contract/observers';
import type { TurnStreams } from '../contract/stream';
import { ModelNames } from '../domain/turn/model-names';
import { type Gateway, startGateway } from '../gateway/gateway';
import { openLedger } from '../ledger/open-ledger';
import { closeAll, closeAllAndThrow, type Closing } from '../platform/close-all';
import { startTracing } from '../tracing/start-tracing';
import { readSignals } from '../operator/rollout-signals';
import { openTurnStreams } from '../streams/open-streams';
import { connectToRedis, disconnect, reportOutages, type StreamLogger } from '../streams/redis-connection';
import type { LiveConfiguration } from './live-configuration';
import { openImageStore } from './image-store';
import { ServiceMetrics } from './metrics';
import { openPage, type ServiceFacts } from './page';
import { RolloutMetrics } from './rollout-metrics';
import type { RunningWorker } from './worker';

export interface ServeGatewayOptions {
  readonly settings: Settings;
  /** Default: `settings`, as long as the gateway runs. */
  readonly configuration?: LiveConfiguration | undefined;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logger: Logger;
  /** Whether to serve `/metrics` without a key. Default: false. */
  readonly openMetrics?: boolean;
  /** The streams of a worker in this process. Default: its own, using the settings' Redis. */
  readonly streams?: TurnStreams;
  /** What the operator's page says of the service. Default: real providers, and no link to Temporal's UI. */
  readonly service?: ServiceFacts;
  /** A worker in this process, which must be stopped after the gateway: it receives the turns that start here. */
  readonly worker?: Pick<RunningWorker, 'connection'> | undefined;
  /** Shared with a worker in this process. Default: its own. */
  readonly metrics?: ServiceMetrics;
}

export interface ServedGateway extends Gateway {
  readonly ledger: Ledger;
  /** A link that logs in to the operator's page with this API key, once, within ten minutes. */
  loginLink(key: string): string;
}

/** The composition root of a gateway: opens what it needs, and closes it together with the gateway. If it fails, it leaves nothing open. */
export async function serveGateway(options: ServeGatewayOptions): Promise<ServedGateway> {
  const { settings, host, port, logger, worker, openMetrics, metrics = new ServiceMetrics() } = options;
  const { temporal, encryption, idKey, redisUrl } = settings;
  const closings: Closing[] = [];
  const close = (): Promise<void> => closeAll(closings);
  try {
    const place = { temporal, encryption: encryption ?? null, idKey: idKey ?? null };
    const log = plainLogger(logger);
    const tracing = await startTracing({ settings: settings.tracing, part: 'gateway', log });
    closings.push(() => tracing.close());
    const client = await (worker ? connectBesideWorker(place, worker.connection) : connect(place));
    closings.push(() => client.disconnect());
    await client.requireNamespace();
    const ledger = await openLedger(settings, { observer: metrics.ledger });
    closings.push(() => ledger.close());
    const streams = options.streams ?? openTurnStreams(redisUrl, log, metrics.redis);
    if (!options.streams) closings.push(() => streams.close());
    const redis = redisUrl === undefined ? undefined : await openRequestCounter(redisUrl, log, {}, metrics.redis);
    if (redis) closings.push(() => disconnect(redis));
    const images = openImageStore(ledger.images, settings);
    const { configuration } = options;
    const policyNow = () => (configuration?.current ?? settings).policy;
    const { page, operator } = openPage({ ledger, settings, policyNow, logger, ...options.service });
    closings.push(() => operator.close());
    const models = new ModelNames(settings.policy, settings.gateway.aliases);
    configuration?.onChange(({ policy, gateway: { aliases } }) => models.use(policy, aliases));
    const rollout = new RolloutMetrics(
      () => readSignals({ ledger, operator, dayCapNanoUsd: policyNow().budgets.dayNanoUsd }),
      (err) => logger.warn({ err }, 'the metrics of the rollout could not be read'),
    );
    const parts = { client, ledger, streams, images, settings, logger, spans: tracing.spans };
    const gateway = await startGateway({
      ...parts,
      models,
      host,
      port,
      redis,
      openMetrics,
      otherMetrics: { text: async () => (await Promise.all([metrics.text(), rollout.text()])).join('') },
      page: (server) => page.register(server),
    });
    closings.push(() => gateway.close());
    // Its streams would otherwise hold up the gateway until its time for draining is over.
    closings.push(async () => page.close());
    return { url: gateway.url, ledger, close, loginLink: (key) => page.loginLink(gateway.url, key) };
  } catch (error) {
    return closeAllAndThrow(error, closings, (err) => logger.warn({ err }, 'closing failed'));
  }
}

function plainLogger(logger: Logger) {
  return {
    info: (message: string) => logger.info(message),
    warn: (message: string) => logger.warn(message),
  };
}

/** Redis responds within a millisecond; waiting longer than half a second for a count is not worth it. */
const countTimeoutMs = 500;

/** Requests before the connection is established are not counted, but an unavailable Redis must not prevent the gateway from starting. */
const connectTimeoutMs = 2_000;

/**
 * Opens the Redis connection with which all gateways count requests together. Never fails: if Redis is unavailable, it keeps
 * connecting in the background. `changes` overrides options of the connection.
 */
export async function openRequestCounter(
  redisUrl: string,
  logger: StreamLogger,
  changes: RedisOptions = {},
  observer?: RedisObserver,
): Promise<Redis> {
  const redis = connectToRedis(
    redisUrl,
    { commandTimeout: countTimeoutMs, enableOfflineQueue: false, ...changes },
    observer,
  );
  reportOutages([redis], logger, {
    away: 'Rate limits are not enforced until it is back.',
    back: 'rate limits are enforced again.',
  });
  const ready = new Promise<void>((resolve) => {
    redis.once('ready', resolve);
  });
  redis.connect().catch(() => undefined); // `reportOutages` logs it
  await Promise.race([ready, delay(connectTimeoutMs, undefined, { ref: false })]);
  return redis;
}
