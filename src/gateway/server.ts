import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { parseWith, problemsOf } from '../config/schema-issues';
import type { ErrorName } from './error-codes';
import { badRequest, GatewayError, wrongField } from './gateway-error';
import { errorOfRequest, handleErrors } from './handle-errors';
import type { GatewayLimits } from './limits';
import { readJsonBodies } from './read-body';

export type GatewayServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Model names and turn ids; a path with a longer part is no path of ours. */
const maxPathPartLength = 600;

/** The HTTP server with its limits, before it has any route. */
export function createServer(limits: GatewayLimits, logger: FastifyBaseLogger): GatewayServer {
  const server: GatewayServer = fastify({
    loggerInstance: logger,
    // Its lines would hold whole paths; ours is in `watchRequests`.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    http: {
      maxHeaderSize: limits.maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      // Node's own 30 s would let slow requests have that much more than their limits say.
      connectionsCheckingInterval: limits.headersTimeoutMs / 2,
      // Node would refuse requests without one in a shape of its own, and nothing here depends on it.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: maxPathPartLength, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true },
    // A gateway that stops has its own words for that.
    return503OnClosing: false,
    genReqId: ({ headers }) => requestIdOf(headers),
    frameworkErrors: (error, request, reply) => {
      const { status, body } = errorOfRequest(error, request);
      const plain = reply as unknown as FastifyReply;
      void plain.code(status).header('x-request-id', request.id).send(body);
    },
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket, answers.isAmidAnswer(socket)),
  }).withTypeProvider<ZodTypeProvider>();
  // Not `rewriteUrl`, which logs whole paths.
  server.server.prependListener('request', (request) => (request.url = withVersion(request.url ?? '/')));
  const answers = new InFlightResponses(server.server);
  // An expectation that is not met may be ignored; Node would refuse it in a shape of its own.
  server.server.on('checkExpectation', (request, answer) => server.server.emit('request', request, answer));

  server.setValidatorCompiler<z.ZodType>(({ schema }) => (data) => {
    const { error, data: value } = parseWith(schema, data);
    return error ? { error: firstProblem(error) } : { value };
  });
  // An answer that was paid for is sent also when its description should not fit it; tests compare the two.
  server.setSerializerCompiler(() => JSON.stringify);
  readJsonBodies(server, limits);
  handleErrors(server);
  return server;
}

/** Base URLs are written with the version, without it, and twice by clients that add it themselves. */
function withVersion(url: string): string {
  const [path = '', ...query] = url.split('?');
  const plain = path.slice(0, maxRewrittenLength).replace(/\/{2,}/g, '/');
  const versioned = /^\/(chat|models|responses|turns)(\/|$)/.test(plain)
    ? `/v1${plain}`
    : plain.replace(/^\/v1\/v1\//, '/v1/');
  if (versioned === plain) return url;
  return [versioned + path.slice(maxRewrittenLength), ...query].join('?');
}

/** The longest path there is, with every character encoded, is shorter. */
const maxRewrittenLength = 4_000;

/** The caller's, when it is one that can stand in a log; a new one otherwise. */
function requestIdOf(headers: IncomingMessage['headers']): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:/+=@-]{1,128}$/.test(given) ? given : randomUUID();
}

/** Of some ten thousand, which a body within the limits may have: one is told, and only it is described. */
function firstProblem(error: z.ZodError): Error {
  const [problem] = problemsOf(error.issues.slice(0, 1), 'The body');
  return problem ? wrongField(problem) : badRequest('The body is not valid.', null);
}

const unreadable: Readonly<Record<string, readonly [name: ErrorName, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The headers are larger than the limit.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not come whole within the limit of its time.'],
};

/** What is no HTTP, or comes too slowly, is answered here: no route ever sees it. */
function refuseUnreadable(error: Error & { readonly code?: string }, socket: Socket, isAmidAnswer: boolean): void {
  if (error.code === 'ECONNRESET' || !socket.writable || isAmidAnswer) {
    socket.destroy();
    return;
  }
  const [name, message] = unreadable[error.code ?? ''] ?? (['bad_http', 'This is no HTTP request.'] as const);
  const { status, body: fields } = new GatewayError(name, message);
  const body = JSON.stringify(fields);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${randomUUID()}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Answers that end while the server closes leave connections that are idle only then. */
const sweepEveryMs = 20;
/** For the last answers to get out; a client that reads nothing is not waited for longer. */
const lastWordsMs = 1_000;

/** Ends all connections: idle ones at once, the others when they have been answered, or a second later. */
export async function closeServer(server: GatewayServer): Promise<void> {
  const { server: http } = server;
  const sweeping = setInterval(() => http.closeIdleConnections(), sweepEveryMs);
  const forcing = setTimeout(() => http.closeAllConnections(), lastWordsMs);
  try {
    await server.close();
  } finally {
    clearInterval(sweeping);
    clearTimeout(forcing);
  }
}

/**
 * The answers under way on each connection. When one breaks, Node closes the answer that is being sent and forgets those
 * that wait behind it, to pipelined requests: they would be taken for open for ever. Here they are closed as well.
 */
class InFlightResponses {
  private readonly ofConnections = new WeakMap<Socket, Set<ServerResponse>>();

  constructor(http: Server) {
    http.prependListener('request', ({ socket }, answer) => {
      const answers = this.ofConnections.get(socket) ?? this.begin(socket);
      answers.add(answer);
      answer.once('close', () => answers.delete(answer));
    });
  }

  /** Whether something of an answer is out, and not yet all of it. */
  isAmidAnswer(socket: Socket): boolean {
    const answers = [...(this.ofConnections.get(socket) ?? [])];
    return answers.some(({ headersSent, writableFinished }) => headersSent && !writableFinished);
  }

  private begin(socket: Socket): Set<ServerResponse> {
    const answers = new Set<ServerResponse>();
    this.ofConnections.set(socket, answers);
    socket.once('close', () => {
      for (const answer of answers) {
        // Node tells the one that has the connection.
        if (answer.socket !== null) continue;
        answer.destroy();
        answer.emit('close');
      }
    });
    return answers;
  }
}
