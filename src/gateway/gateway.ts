import { METHODS as httpMethods } from 'node:http';
import cors from '@fastify/cors';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { RecentApiKeys } from '../access/recent-api-keys';
import { readPackageInfo } from '../platform/package-info';
import { BodyHashes } from './body-hash';
import { refuseForeignPages, requireKey, requirePermission } from './access';
import { cancelRoute } from './cancel-route';
import { completionsRoute } from './completions-route';
import type { GatewayContext, GatewayParts } from './context';
import { describeErrors } from './error-schema';
import { feedbackRoute } from './feedback-route';
import { GatewayError } from './gateway-error';
import { healthRoutes } from './health-routes';
import { configuredLimits, gatewayLimits, type GatewayLimits, limitRequests } from './limits';
import { GatewayMetrics, type OtherMetrics } from './metrics';
import { ModelNames } from '../domain/turn/model-names';
import { modelsRoutes } from './models-routes';
import { limitOpenRequests, OpenRequests, watchRequests } from './open-requests';
import { embeddingsRoute } from './model-requests/embeddings-route';
import { moderationsRoute } from './model-requests/moderations-route';
import { textCompletionsRoute } from './text-completions/route';
import { closeServer, createServer, type GatewayServer } from './server';
import { Readiness } from './readiness';
import { sessionsRoutes } from './sessions/sessions-routes';
import { TurnReaders } from './turn-readers';
import { cancelResponseRoute } from './responses/cancel-response';
import { responsesRoutes } from './responses/responses-route';
import { turnsRoutes } from './turns-routes';

export interface GatewayOptions extends GatewayParts {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where all gateways count a key's requests together; left out: each counts for itself. */
  readonly redis?: Redis | undefined;
  /** Serves `/metrics` without a key. Default: false, because a proxy on this machine passes on the requests of others. */
  readonly openMetrics?: boolean | undefined;
  /** Served at `/metrics` beside the gateway's own. */
  readonly otherMetrics?: OtherMetrics | undefined;
  /** Routes of another kind, which have their own login: the operator's page. */
  readonly page?: ((server: FastifyInstance) => Promise<void>) | undefined;
  /** Default: those of the settings. */
  readonly models?: ModelNames;
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
  const limits = { ...gatewayLimits, ...configuredLimits(settings.gateway), ...options.limits };
  const open = new OpenRequests(limits);
  const context: GatewayContext = {
    client: options.client,
    ledger: options.ledger,
    keys: new RecentApiKeys(options.ledger.keys),
    streams: options.streams,
    images: options.images,
    spans: options.spans,
    logger,
    models: options.models ?? new ModelNames(settings.policy, settings.gateway.aliases),
    metrics: new GatewayMetrics(options.otherMetrics),
    open,
    readers: new TurnReaders({ client: options.client, open }, settings.gateway.onDisconnect),
    whileBusy: settings.gateway.whileBusy,
    readiness: new Readiness({ ...options, limits }),
    bodyHashes: new BodyHashes(settings.encryption),
    limits,
    turnDeadlineMs: settings.policy.retry.turnDeadlineMs + turnGraceMs,
  };
  const server = createServer(limits, logger);
  for (const method of methods) {
    if (!server.supportedMethods.includes(method)) server.addHttpMethod(method, { hasBody: false });
  }
  try {
    watchRequests(server, context);
    refuseForeignPages(server, host, settings.gateway);
    await allowOrigins(server, settings.gateway.corsOrigins);
    await describeRoutes(server);
    healthRoutes(server, context);
    await options.page?.(server);
    for (const [path, ...allowed] of paths) answerOptions(server, path, allowed);
    const counting = { ...limits, requestsPerMinute: settings.gateway.requestsPerMinute, redis };
    await server.register(async (guarded: GatewayServer) => {
      await limitRequests(guarded, counting);
      requireKey(guarded, context);
      limitOpenRequests(guarded);
      completionsRoute(guarded, context);
      textCompletionsRoute(guarded, context);
      embeddingsRoute(guarded, context);
      moderationsRoute(guarded, context);
      responsesRoutes(guarded, context);
      cancelResponseRoute(guarded, context);
      modelsRoutes(guarded, context);
      turnsRoutes(guarded, context);
      feedbackRoute(guarded, context);
      sessionsRoutes(guarded, context);
      cancelRoute(guarded, context);
      for (const [path, ...allowed] of paths) refuseOtherMethods(guarded, path, allowed);
      if (!openMetrics) {
        await guarded.register(async (metered: GatewayServer) => {
          metered.addHook('onRequest', requirePermission('read-metrics'));
          metricsRoute(metered, context);
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
        context.readiness.stop();
        await closeServer(server);
      },
    };
  } catch (error) {
    context.readiness.stop();
    await closeServer(server);
    throw error;
  }
}

function portTaken(host: string, port: number, cause: unknown): Error {
  return new Error(`Port ${port} of ${host} is taken: choose another one for the gateway, or 0 for any free one.`, {
    cause,
  });
}

const paths = [
  ['/v1/chat/completions', 'POST'],
  ['/v1/completions', 'POST'],
  ['/v1/embeddings', 'POST'],
  ['/v1/moderations', 'POST'],
  ['/v1/responses', 'POST'],
  ['/v1/responses/:response', 'GET', 'DELETE'],
  ['/v1/responses/:response/cancel', 'POST'],
  ['/v1/models', 'GET'],
  ['/v1/models/:model', 'GET'],
  ['/v1/turns/:turn', 'GET'],
  ['/v1/turns/:turn/stream', 'GET'],
  ['/v1/turns/:turn/feedback', 'POST'],
  ['/v1/turns/:turn/cancel', 'POST'],
  ['/v1/sessions', 'GET'],
  ['/v1/sessions/:session', 'GET', 'DELETE'],
  ['/v1/sessions/:session/transcript', 'GET'],
  ['/v1/sessions/:session/close', 'POST'],
  ['/v1/sessions/:session/hand-over', 'POST'],
  ['/v1/sessions/:session/messages', 'POST'],
  ['/v1/sessions/:session/give-back', 'POST'],
] as const satisfies readonly (readonly [path: string, ...allowed: Method[]])[];

type Method = 'GET' | 'POST' | 'DELETE';

/** All that Node reads but CONNECT, which is for proxies. */
const methods = httpMethods.filter((method) => method !== 'CONNECT');

/** A path that is there answers 405, and not 404, to a method that it does not have. */
function refuseOtherMethods(server: FastifyInstance, url: string, allowed: readonly Method[]): void {
  const taken = takenMethods(allowed);
  server.route({
    url,
    method: methods.filter((method) => !taken.includes(method)),
    schema: { hide: true },
    onRequest: async ({ method }) => {
      throw new GatewayError('method_not_allowed', `${url} takes ${allowed.join(' or ')}, not ${method}.`, {
        headers: { allow: taken.join(', ') },
      });
    },
    handler: async () => undefined,
  });
}

/** What a path takes, without a key: a browser asks before it sends one. */
function answerOptions(server: GatewayServer, url: string, allowed: readonly Method[]): void {
  const allow = takenMethods(allowed).join(', ');
  server.options(url, { schema: { hide: true } }, async (_request, reply) =>
    reply.code(204).header('allow', allow).send(),
  );
}

function takenMethods(allowed: readonly Method[]): readonly string[] {
  return [...allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS'];
}

/** Lets pages of these origins call the gateway and read its headers. */
async function allowOrigins(server: GatewayServer, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await server.register(cors, {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    exposedHeaders: [
      'retry-after',
      'x-bellwether-ignored',
      'x-bellwether-turn-id',
      'x-ratelimit-limit',
      'x-ratelimit-remaining',
      'x-ratelimit-reset',
      'x-request-id',
      'x-should-retry',
    ],
    // What browsers keep at most.
    maxAge: 7_200,
    // What a path takes is said by its own route.
    preflightContinue: true,
    strictPreflight: false,
  });
}

/** `GET /metrics`, for Prometheus. */
function metricsRoute(server: GatewayServer, { metrics }: Pick<GatewayContext, 'metrics'>): void {
  server.get(
    '/metrics',
    {
      schema: {
        summary: 'Counts of this process, for Prometheus',
        response: {
          200: { description: 'Text.', content: { 'text/plain': { schema: z.string() } } },
          ...describeErrors('wrong_key_role'),
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}

/** Describes the routes that come after it, from the schemas by which they read and write. */
async function describeRoutes(server: GatewayServer): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Bellwether gateway',
        version: readPackageInfo().version,
        description: "OpenAI's chat completions as durable turns: retried, with fallback, within budgets, paid once.",
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      security: [{ apiKey: [] }],
    },
    transform: jsonSchemaTransform,
  });
  server.get('/openapi.json', { schema: { hide: true } }, async () => server.swagger());
}
