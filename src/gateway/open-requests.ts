import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from './gateway-error';
import type { GatewayLimits } from './limits';
import type { GatewayMetrics } from './metrics';
import type { GatewayServer } from './server';

type OpenLimits = Pick<
  GatewayLimits,
  'maxOpenRequests' | 'maxOpenRequestsOfKey' | 'maxBytesInFlight' | 'maxBytesInFlightOfKey'
>;

/**
 * One open request. It stays open until its connection has closed and everything that was begun for it has ended, even if
 * its client has left, because until then its body is in the memory of this process and of a worker.
 */
class OpenRequest {
  private holds = 0;
  private keyId: string | null = null;
  private bytes = 0;

  constructor(private readonly requests: OpenRequests) {
    this.hold();
  }

  /** Counts it towards its API key's limit. @throws {GatewayError} when the key has too many open requests */
  belongTo(keyId: string): void {
    this.requests.refuseTooManyOf(keyId);
    this.changeTo(keyId, this.bytes);
  }

  /** @throws {GatewayError} when there is no room for a body of this size */
  requireRoomFor(bytes: number): void {
    this.requests.refuseTooLarge(this.keyId, this.bytes, bytes);
  }

  /** Sets the size of its body, as often as it changes. @throws {GatewayError} when there is no room for it */
  weigh(bytes: number): void {
    this.requireRoomFor(bytes);
    this.changeTo(this.keyId, bytes);
  }

  keepUntil(ended: Promise<unknown>): void {
    this.hold();
    const release = (): void => this.release();
    void ended.then(release, release);
  }

  connectionClosed(): void {
    this.requests.connectionClosed();
    this.release();
  }

  private release(): void {
    this.holds -= 1;
    if (this.holds === 0) this.count(-1);
  }

  private hold(): void {
    // The client may have left before anything was begun for the request.
    if (this.holds === 0) this.count(1);
    this.holds += 1;
  }

  private changeTo(keyId: string | null, bytes: number): void {
    const isOpen = this.holds > 0;
    if (isOpen) this.count(-1);
    this.keyId = keyId;
    this.bytes = bytes;
    if (isOpen) this.count(1);
  }

  private count(sign: 1 | -1): void {
    this.requests.count(this.keyId, { requests: sign, bytes: sign * this.bytes });
  }
}

interface Load {
  readonly requests: number;
  /** Of their bodies. */
  readonly bytes: number;
}

/** What chats mostly send. */
const smallBytes = 64 * 1024;
const shareOfLargeBodies = 7 / 8;

const nothing: Load = { requests: 0, bytes: 0 };

function sum(one: Load, other: Load): Load {
  return { requests: one.requests + other.requests, bytes: one.bytes + other.bytes };
}

/** An answer takes a second or two. */
const retryAfterSeconds = { ofKey: '2', ofAll: '1' } as const;

/**
 * The open requests. Their number and the bytes of their bodies are limited, in all and for each API key, so that no key
 * takes the room of the others. A gateway that is stopping also uses the count to wait for requests with a waiting client.
 */
export class OpenRequests {
  private all = nothing;
  private readonly ofKeys = new Map<string, Load>();
  private connections = 0;
  private whenNone: (() => void) | null = null;
  private readonly waiters = new Set<() => void>();
  private draining = false;

  constructor(private readonly limits: OpenLimits) {}

  /** Takes no new requests any more. */
  get isDraining(): boolean {
    return this.draining;
  }

  /** Calls back when the time for finishing is over. Returns how to call that off. */
  whenOver(callback: () => void): () => void {
    this.waiters.add(callback);
    return () => void this.waiters.delete(callback);
  }

  begin(): OpenRequest {
    this.connections += 1;
    return new OpenRequest(this);
  }

  connectionClosed(): void {
    this.connections -= 1;
    if (this.connections === 0) this.whenNone?.();
  }

  /** @throws {GatewayError} */
  refuseTooMany(): void {
    const { maxOpenRequests } = this.limits;
    if (this.all.requests > maxOpenRequests) {
      throw overloaded(`This gateway has ${maxOpenRequests} open requests, its limit.`);
    }
  }

  /** @throws {GatewayError} */
  refuseTooManyOf(keyId: string): void {
    const { maxOpenRequestsOfKey } = this.limits;
    if (this.loadOf(keyId).requests >= maxOpenRequestsOfKey) {
      throw tooManyOfKey(`This API key has ${maxOpenRequestsOfKey} open requests, its limit.`);
    }
  }

  /**
   * A single body is accepted whatever its size, up to `maxBodyBytes`. Large bodies leave some room for small ones.
   * @throws {GatewayError}
   */
  refuseTooLarge(keyId: string | null, from: number, to: number): void {
    const { maxBytesInFlight, maxBytesInFlightOfKey } = this.limits;
    const exceeds = (others: number, limit: number): boolean => to > from && others > 0 && others + to > limit;
    const reason = (whose: string, others: number, limit: number): string =>
      `The other open requests of this ${whose} have ${others} bytes in their bodies, and this one has ${to}: together more than the limit of ${limit}.`;
    const ofKey = keyId === null ? 0 : this.loadOf(keyId).bytes - from;
    if (exceeds(ofKey, maxBytesInFlightOfKey)) throw tooManyOfKey(reason('API key', ofKey, maxBytesInFlightOfKey));
    const inAll = this.all.bytes - from;
    const limit = to <= smallBytes ? maxBytesInFlight : maxBytesInFlight * shareOfLargeBodies;
    if (exceeds(inAll, limit)) throw overloaded(reason('gateway', inAll, limit));
  }

  count(keyId: string | null, change: Load): void {
    this.all = sum(this.all, change);
    if (keyId === null) return;
    const load = sum(this.loadOf(keyId), change);
    if (load.requests > 0) this.ofKeys.set(keyId, load);
    else this.ofKeys.delete(keyId);
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

  private loadOf(keyId: string): Load {
    return this.ofKeys.get(keyId) ?? nothing;
  }
}

function tooManyOfKey(reason: string): GatewayError {
  const message = `${reason} The turn was not begun. Send the request again when others have been answered.`;
  return refusedUnread(new GatewayError('too_many_open_requests', message), retryAfterSeconds.ofKey);
}

function overloaded(reason: string): GatewayError {
  const message = `${reason} The turn was not begun. Send the request again in a second.`;
  return refusedUnread(new GatewayError('overloaded', message), retryAfterSeconds.ofAll);
}

function refusedUnread(error: GatewayError, retryAfter: string): GatewayError {
  return error.with({ headers: { 'retry-after': retryAfter } }).unread();
}

declare module 'fastify' {
  interface FastifyRequest {
    open: OpenRequest;
    /** Called once it has ended, with its status. */
    whenEnded: ((status: number) => void) | undefined;
    /** The arm that admitted its turn, once that is known. */
    arm: string | undefined;
  }
}

/** Paths that also answer while the gateway is full or stopping: probes and metrics. */
const unlimitedRoutes = new Set(['/healthz', '/readyz', '/metrics']);

/** As nginx counts requests whose client did not wait for an answer. */
const clientWentAway = 499;

interface WatchedGateway {
  readonly open: OpenRequests;
  readonly metrics: Pick<GatewayMetrics, 'answered'>;
}

/** For every request: its id on the answer, one line in the log, its counts, and the limit of open ones. */
export function watchRequests(server: GatewayServer, { open, metrics }: WatchedGateway): void {
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
    open.refuseTooMany();
  });

  /** Once for every request, whether its answer got out or its client went away. */
  function ended(request: FastifyRequest, reply: FastifyReply): void {
    request.open.connectionClosed();
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    const milliseconds = Math.round(reply.elapsedTime);
    const status = reply.raw.headersSent ? reply.statusCode : clientWentAway;
    metrics.answered(method, route, status, milliseconds);
    request.whenEnded?.(status);
    const keyId = (request.apiKey as typeof request.apiKey | undefined)?.id;
    const turnId = reply.getHeader('x-bellwether-turn-id');
    const isWhole = reply.raw.writableFinished;
    const fields = { method, route, status, isWhole, milliseconds, keyId, turnId, turn_id: turnId, arm: request.arm };
    request.log.info(fields, 'request ended');
  }
}

/** Limits the open requests of each API key before their bodies are read. Needs `requireKey` before it. */
export function limitOpenRequests(server: GatewayServer): void {
  server.addHook('preParsing', async (request) => {
    if (!unlimitedRoutes.has(request.routeOptions.url ?? '')) request.open.belongTo(request.apiKey.id);
  });
}
