import type { Redis } from 'ioredis';
import { RecentApiKeys } from '../access/recent-api-keys';
import { requireKey, requireOperatorKey } from './access';
import { closeServer } from './close-server';
import { completionsRoute } from './completions-route';
import type { GatewayContext, GatewayParts } from './context';
import { healthRoutes } from './health-routes';
import { gatewayLimits, type GatewayLimits } from './limits';
import { refuseOtherMethods } from './methods';
import { GatewayMetrics } from './metrics';
import { metricsRoute } from './metrics-route';
import { ModelNames } from './model-names';
import { modelsRoutes } from './models-routes';
import { OpenRequests } from './open-requests';
import { describeRoutes } from './openapi';
import { limitRequests } from './rate-limits';
import { refuseForeignPages } from './refuse-foreign-pages';
import { createServer, type GatewayServer } from './server';
import { turnsRoutes } from './turns-routes';
import { watchRequests } from './watch-requests';

export interface GatewayOptions extends GatewayParts {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where all gateways count a key's requests together; left out: each counts for itself. */
  readonly redis?: Redis | undefined;
  /** `/metrics` for whoever asks. Default: for operator keys, as a proxy on this machine passes on what others ask. */
  readonly openMetrics?: boolean | undefined;
  /** What differs from `gatewayLimits`. */
  readonly limits?: Partial<GatewayLimits>;
}

export interface Gateway {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Takes no new requests, finishes those under way within `drainMs`, then closes. Turns go on. Its parts stay open. */
  close(): Promise<void>;
}

/** A worker that dies costs a turn some 10 s beyond the policy's deadline, and its successor's start some more. */
const turnGraceMs = 20_000;

/** Serves OpenAI's chat completions over HTTP. Beyond loopback it wants TLS in front of it, as keys are in the headers. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { host = '127.0.0.1', port, settings, logger, redis = null, openMetrics = false } = options;
  const limits = { ...gatewayLimits, ...options.limits };
  const context: GatewayContext = {
    client: options.client,
    ledger: options.ledger,
    keys: new RecentApiKeys(options.ledger.keys),
    streams: options.streams,
    logger,
    models: new ModelNames(settings.policy, settings.gateway.aliases),
    metrics: new GatewayMetrics(),
    open: new OpenRequests(),
    limits,
    turnDeadlineMs: settings.policy.retry.turnDeadlineMs + turnGraceMs,
  };
  const server = createServer(limits, logger);
  try {
    watchRequests(server, context);
    refuseForeignPages(server, host, settings.gateway.allowedHosts);
    await describeRoutes(server);
    healthRoutes(server, context);
    const counting = { requestsPerMinute: settings.gateway.requestsPerMinute, redis };
    await server.register(async (guarded: GatewayServer) => {
      await limitRequests(guarded, counting);
      requireKey(guarded, context);
      completionsRoute(guarded, context);
      modelsRoutes(guarded, context);
      turnsRoutes(guarded, context);
      refuseOtherMethods(guarded, '/v1/chat/completions', 'POST');
      for (const path of ['/v1/models', '/v1/models/:model', '/v1/turns/:turn', '/v1/turns/:turn/stream']) {
        refuseOtherMethods(guarded, path, 'GET');
      }
      if (!openMetrics) {
        await guarded.register(async (operators: GatewayServer) => {
          operators.addHook('onRequest', requireOperatorKey);
          metricsRoute(operators, context);
        });
      }
    });
    if (openMetrics) metricsRoute(server, context);
    const url = await server.listen({ host, port }).catch((error: unknown) => {
      throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? portTaken(host, port, error) : error;
    });
    return {
      url,
      close: async () => {
        await context.open.drain(limits.drainMs);
        await closeServer(server);
      },
    };
  } catch (error) {
    await closeServer(server);
    throw error;
  }
}

function portTaken(host: string, port: number, cause: unknown): Error {
  return new Error(`Port ${port} of ${host} is taken: choose another one for the gateway, or 0 for any free one.`, {
    cause,
  });
}
