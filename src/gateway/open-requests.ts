import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from './gateway-error';
import type { GatewayLimits } from './limits';
import type { GatewayMetrics } from './metrics';
import type { GatewayServer } from './server';

/** One request under way: until its connection has closed, and all that was begun for it has ended. */
class OpenRequest {
  private holds = 0;

  constructor(
    private readonly count: (change: 1 | -1) => void,
    private readonly countConnection: (change: 1 | -1) => void,
  ) {
    this.countConnection(1);
    this.hold();
  }

  /** Also when its client has left, as long as this goes on: it holds the request's memory. */
  keepUntil(ended: Promise<unknown>): void {
    this.hold();
    const release = (): void => this.release();
    void ended.then(release, release);
  }

  connectionClosed(): void {
    this.countConnection(-1);
    this.release();
  }

  private hold(): void {
    if (this.holds === 0) this.count(1);
    this.holds += 1;
  }

  private release(): void {
    this.holds -= 1;
    if (this.holds === 0) this.count(-1);
  }
}

/** Counts the requests under way, so that a gateway that stops can finish those first that somebody waits for. */
export class OpenRequests {
  private count = 0;
  private connections = 0;
  private whenNone: (() => void) | null = null;
  private readonly waiters = new Set<() => void>();
  private draining = false;

  /** Takes no new requests any more. */
  get isDraining(): boolean {
    return this.draining;
  }

  get size(): number {
    return this.count;
  }

  /** Calls back when the time for finishing is over. Returns how to call that off. */
  whenOver(callback: () => void): () => void {
    this.waiters.add(callback);
    return () => void this.waiters.delete(callback);
  }

  begin(): OpenRequest {
    return new OpenRequest(
      (change) => (this.count += change),
      (change) => {
        this.connections += change;
        if (this.connections === 0) this.whenNone?.();
      },
    );
  }

  /** Waits for the last client, `boundMs` at most, then tells those that are left. Turns go on without a gateway. */
  async drain(boundMs: number): Promise<void> {
    this.draining = true;
    if (this.connections === 0) return;
    const none = new Promise<void>((resolve) => {
      this.whenNone = resolve;
    });
    const waiting = new AbortController();
    await Promise.race([none, delay(boundMs, undefined, { signal: waiting.signal }).catch(() => undefined)]);
    waiting.abort();
    for (const callback of this.waiters) callback();
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    open: OpenRequest;
  }
}

/** Paths that answer also while the gateway is full or stops: probes and counts. */
const unlimitedRoutes = new Set(['/healthz', '/readyz', '/metrics']);

/** As nginx counts requests whose client did not wait for an answer. */
const clientWentAway = 499;

const overloadedRetryAfterSeconds = '1';

interface WatchedGateway {
  readonly open: OpenRequests;
  readonly limits: Pick<GatewayLimits, 'maxOpenRequests'>;
  readonly metrics: Pick<GatewayMetrics, 'answered'>;
}

/** For every request: its id on the answer, one line in the log, its counts, and the limit of open ones. */
export function watchRequests(server: GatewayServer, { open, limits, metrics }: WatchedGateway): void {
  server.addHook('onRequest', async (request, reply) => {
    request.open = open.begin();
    reply.raw.once('close', () => ended(request, reply));
    reply.header('x-request-id', request.id);
    if (unlimitedRoutes.has(request.routeOptions.url ?? '')) return;
    if (open.isDraining) {
      reply.header('connection', 'close');
      throw new GatewayError('gateway_stopping', 'This gateway is stopping. Send the request to another one.', {
        headers: { 'retry-after': '1' },
      });
    }
    if (open.size > limits.maxOpenRequests) {
      throw new GatewayError('overloaded', `This gateway has ${limits.maxOpenRequests} open requests, its limit.`, {
        headers: { 'retry-after': overloadedRetryAfterSeconds },
      });
    }
  });

  /** Once for every request, whether its answer got out or its client went away. */
  function ended(request: FastifyRequest, reply: FastifyReply): void {
    request.open.connectionClosed();
    request.images?.drop();
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    const milliseconds = Math.round(reply.elapsedTime);
    const status = reply.raw.headersSent ? reply.statusCode : clientWentAway;
    metrics.answered(method, route, status, milliseconds);
    const keyId = (request.apiKey as typeof request.apiKey | undefined)?.id;
    const turnId = reply.getHeader('x-bellwether-turn-id');
    const isWhole = reply.raw.writableFinished;
    request.log.info({ method, route, status, isWhole, milliseconds, keyId, turnId }, 'request ended');
  }
}
