import rateLimit from '@fastify/rate-limit';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ApiKeys } from '../contract/api-keys';
import { type PageData, pagePaths, type PageViewer, type SessionPage } from '../contract/page';
import type { PageSessions } from '../contract/page-sessions';
import { UnknownRolloutError } from '../operator/trail';
import { answerErrors, toPageError } from './answer-errors';
import { refuseOtherPages, requireSafeWay, secureAnswers } from './browser-guard';
import { type CommandParts, commandRoute } from './command-route';
import { LoginCodes } from './login-codes';
import { loginRoute, logoutRoute } from './login-routes';
import { PageError } from './page-error';
import { servePageFiles } from './page-files';
import { PageViewers, viewerLimits } from './page-viewers';
import { readJsonBodies } from './read-body';
import { readSessionCookie } from './session-cookie';
import { type LoggedIn, Sessions } from './sessions';
import { PageSnapshot } from './snapshot';
import { viewerOf, ViewerStream } from './viewer-stream';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whoever asks; only on routes behind the login. */
    loggedIn: LoggedIn;
  }
}

export interface PageParts extends CommandParts {
  readonly ledger: { readonly keys: Pick<ApiKeys, 'find' | 'findAll'>; readonly pageSessions: PageSessions };
  /** @throws {UnknownRolloutError} */
  readonly readPage: (asked: { readonly rollout?: string; readonly viewer: PageViewer }) => Promise<PageData>;
  /** Null if no turn of the session is known. */
  readonly readSession: (id: string) => Promise<SessionPage | null>;
  readonly logger: FastifyBaseLogger;
  /** Names under which the page is reached, besides what `Host` says. */
  readonly allowedHosts: readonly string[];
  /** What differs from `viewerLimits`. */
  readonly limits?: Partial<Record<keyof typeof viewerLimits, number>>;
}

/** The operator's page, for one or several servers of this process. */
export interface OperatorPage {
  register(server: FastifyInstance): Promise<void>;
  /** A link that logs in with this API key, once, within ten minutes. @param url of the server: `http://127.0.0.1:8080` */
  loginLink(url: string, key: string): string;
  /** Ends the streams; to be called before the server drains. */
  close(): void;
}

/** A person with the page open sends one request when it loads, and one for each command. */
const requestsPerMinute = 600;

export function createOperatorPage(parts: PageParts): OperatorPage {
  const { readPage, logger } = parts;
  const codes = new LoginCodes();
  const sessions = new Sessions(parts.ledger);
  const viewers = new PageViewers({
    sessions,
    read: async (rollout) =>
      new PageSnapshot(await readPage({ ...(rollout !== undefined && { rollout }), viewer: nobody })),
    problemOf: (error) => toPageError(error, logger).problem,
    limits: { ...viewerLimits, ...parts.limits },
    logger,
  });

  return {
    register: async (server) => {
      await server.register(async (scope) => {
        scope.decorateRequest('loggedIn');
        readJsonBodies(scope);
        answerErrors(scope);
        secureAnswers(scope);
        await scope.register(rateLimit, { global: false });
        await servePageFiles(scope);
        await scope.register(async (ours) => {
          ours.addHook('onRequest', async ({ headers }) => refuseOtherPages(headers, parts.allowedHosts));
          loginRoute(ours, { sessions, codes });
          await ours.register(async (guarded) => {
            requireLogin(guarded, sessions);
            limitRequests(guarded);
            logoutRoute(guarded, { sessions, viewers });
            dataRoute(guarded, viewers);
            eventsRoute(guarded, viewers);
            sessionRoute(guarded, parts);
            commandRoute(guarded, parts);
          });
        });
      });
    },
    loginLink: (url, key) => codes.link(url, key),
    close: () => viewers.close(),
  };
}

/** What is read is the same for all viewers, who are added later. */
const nobody: PageViewer = { name: '', mayOperate: false };

function requireLogin(server: FastifyInstance, sessions: Sessions): void {
  server.addHook('onRequest', async (request) => {
    requireSafeWay(request.headers);
    const id = readSessionCookie(request.headers);
    const found = id === undefined ? null : await sessions.find(id, Date.now());
    if (found === null) throw new PageError(401, 'not_logged_in', 'Log in with a key of the role viewer or operator.');
    request.loggedIn = found;
  });
}

/** Of one login: whoever has a key may not keep the ledger busy. */
function limitRequests(server: FastifyInstance): void {
  const limit = server.createRateLimit({
    max: requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: ({ loggedIn }: FastifyRequest) => loggedIn.session.idHash,
  });
  server.addHook('onRequest', async (request) => {
    const counted = await limit(request);
    if (counted.isAllowed || !counted.isExceeded) return;
    const message = `This login has made its ${requestsPerMinute} requests of this minute. Wait a minute.`;
    throw new PageError(429, 'rate_limit_exceeded', message, { 'retry-after': String(counted.ttlInSeconds) });
  });
}

interface RolloutQuery {
  readonly rollout?: string;
}

/** For browsers that get no events, and for scripts. */
function dataRoute(server: FastifyInstance, viewers: PageViewers): void {
  server.get(pagePaths.data, { schema: { hide: true } }, async (request, reply) => {
    const snapshot = await latest(viewers, request);
    const viewer = viewerOf(request.loggedIn);
    const etag = `"${snapshot.hash}.${viewer.mayOperate ? 'operator' : 'viewer'}"`;
    reply.header('etag', etag);
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(snapshot.jsonFor(viewer));
  });
}

function eventsRoute(server: FastifyInstance, viewers: PageViewers): void {
  const options = { schema: { hide: true }, exposeHeadRoute: false };
  server.get(pagePaths.events, options, async (request, reply: FastifyReply) => {
    const { loggedIn } = request;
    const rollout = rolloutOf(request);
    viewers.requireRoom(loggedIn, rollout);
    const snapshot = await latest(viewers, request);
    viewers.requireRoom(loggedIn, rollout);
    reply.hijack();
    // Whoever has left meanwhile would stay in the list for ever: his connection has ended already.
    if (reply.raw.destroyed) return;
    const headers = { ...reply.getHeaders(), 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
    reply.raw.writeHead(200, headers as Record<string, string>);
    viewers.add(new ViewerStream(reply.raw, loggedIn), rollout, snapshot);
  });
}

function rolloutOf(request: FastifyRequest): string | undefined {
  const { rollout } = request.query as RolloutQuery;
  return typeof rollout === 'string' && rollout !== '' ? rollout : undefined;
}

async function latest(viewers: PageViewers, request: FastifyRequest): Promise<PageSnapshot> {
  try {
    return await viewers.latest(request.loggedIn, rolloutOf(request));
  } catch (error) {
    throw error instanceof UnknownRolloutError ? new PageError(404, 'unknown_rollout', error.message) : error;
  }
}

/** Longer than any id of a session. */
const maxSessionIdCharacters = 600;

function sessionRoute(server: FastifyInstance, { readSession }: Pick<PageParts, 'readSession'>): void {
  server.get(pagePaths.session, { schema: { hide: true } }, async ({ query }): Promise<SessionPage> => {
    const { id } = query as { readonly id?: unknown };
    if (typeof id !== 'string' || id === '' || id.length > maxSessionIdCharacters) {
      throw new PageError(
        400,
        'invalid_value',
        `id must be the id of one session, of up to ${maxSessionIdCharacters} characters.`,
      );
    }
    const found = await readSession(id);
    if (found === null)
      throw new PageError(404, 'unknown_session', 'The ledger has no turn of a session with this id.');
    return found;
  });
}
