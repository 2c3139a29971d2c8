import type { IncomingHttpHeaders } from 'node:http';
import cors from '@fastify/cors';
import type { PayloadCodec, SerializationContext } from '@temporalio/common';
import { type JSONPayload, JSONToPayload, payloadToJSON } from '@temporalio/common/lib/proto-utils';
import fastify, { type FastifyInstance } from 'fastify';
import { isSameSecret } from '../access/api-key';
import { isLoopback } from '../access/loopback';
import { PayloadDecryptionError } from './aes-gcm-codec';

/** The UI sends the payloads of one history page: 4 MB over gRPC, a third more in base64, plus room for metadata. */
const maxBodyBytes = 8 * 1024 * 1024;

export interface CodecServerOptions {
  readonly codec: PayloadCodec;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** 0: any free port. */
  readonly port: number;
  /** Origins of the Temporal UI, as browsers send them: `http://localhost:8080`. */
  readonly allowedOrigins: readonly string[];
  /** If set, every request must present it. Required unless the host is loopback. */
  readonly token?: string;
  /** Allows a host that is reachable from other machines. */
  readonly allowRemote?: boolean;
}

export interface CodecServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

interface RemoteCodecBody {
  readonly payloads: readonly JSONPayload[];
}

const bodySchema = {
  type: 'object',
  required: ['payloads'],
  properties: { payloads: { type: 'array', items: { type: 'object' } } },
};

function addRoutes(server: FastifyInstance, { codec, token, allowedOrigins }: CodecServerOptions): void {
  const hasToken = token === undefined ? () => true : createTokenCheck(token);

  server.get('/healthz', async () => ({ status: 'ok' }));

  server.register(async (guarded) => {
    guarded.addHook('onRequest', async (request, reply) => {
      // CORS prevents foreign pages from reading responses; this prevents their requests, too, even with DNS rebinding.
      const { origin } = request.headers;
      if (origin !== undefined && !allowedOrigins.includes(origin)) {
        return reply
          .code(403)
          .send({ message: `Origin ${origin} is not allowed. To allow it, pass it with --origin.` });
      }
      if (!hasToken(request.headers.authorization)) {
        return reply.code(401).header('www-authenticate', 'Basic realm="bellwether codec"').send({
          message: 'The codec endpoint requires its token, as a bearer token or as the password of HTTP Basic.',
        });
      }
      return undefined;
    });

    guarded.get('/', async () => ({ message: 'Signed in. The Temporal UI can decode now.' }));
    for (const direction of ['encode', 'decode'] as const) {
      guarded.post<{ Body: RemoteCodecBody }>(`/${direction}`, { schema: { body: bodySchema } }, async (request) => {
        const payloads = await codec[direction](request.body.payloads.map(JSONToPayload), contextOf(request.headers));
        return { payloads: payloads.map(payloadToJSON) };
      });
    }
  });
}

/** The protocol names the namespace, but not the workflow. */
function contextOf({ 'x-namespace': namespace }: IncomingHttpHeaders): SerializationContext | undefined {
  if (typeof namespace !== 'string' || namespace === '') return undefined;
  return { type: 'activity', namespace, isLocal: false };
}

/**
 * Serves Temporal's remote codec protocol, with which the Temporal UI and CLI display encrypted payloads: `POST /encode`
 * and `POST /decode` with `{ payloads: [{ metadata, data }] }` in proto JSON, and `GET /healthz`.
 *
 * @throws RangeError if the host is not loopback and `allowRemote` or `token` is missing.
 */
export async function startCodecServer(options: CodecServerOptions): Promise<CodecServer> {
  const { host = '127.0.0.1', port, allowedOrigins, allowRemote = false, token } = options;
  checkExposure(host, allowRemote, token);
  const server = fastify({
    bodyLimit: maxBodyBytes,
    // Closing must not wait for the idle connections that browsers keep open.
    forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  await server.register(cors, {
    origin: [...allowedOrigins],
    credentials: true,
    methods: ['GET', 'POST'],
    allowedHeaders: ['content-type', 'x-namespace', 'authorization', 'authorization-extras'],
  });
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const known = error instanceof PayloadDecryptionError || error.statusCode !== undefined;
    // Any other error is about payloads that are not proto JSON, and its message may quote them.
    const message = known ? error.message : 'The payloads are not in proto JSON: metadata and data must be base64.';
    return reply.code(error.statusCode ?? 400).send({ message });
  });
  addRoutes(server, options);
  const url = await server.listen({ host, port });
  return { url, port: Number(new URL(url).port), close: () => server.close() };
}

/** Shorter tokens can be guessed at network speed; `openssl rand -base64 24` prints 32 characters. */
const minTokenLength = 24;

/**
 * Anyone who can reach the codec endpoint can read every message, so exposing it to other machines must be deliberate.
 *
 * @throws RangeError if the host is not loopback and either `allowRemote` or the token is missing, or if the token is
 *   shorter than 24 characters.
 */
function checkExposure(host: string, allowRemote: boolean, token: string | undefined): void {
  if (token !== undefined && token.length < minTokenLength) {
    throw new RangeError(
      `The codec endpoint's token has ${token.length} characters but needs at least ${minTokenLength}: generate one with ` +
        `\`openssl rand -base64 24\`.`,
    );
  }
  if (isLoopback(host) || (allowRemote && token !== undefined)) return;
  throw new RangeError(
    `The codec endpoint decrypts messages, and ${host} is reachable from other machines. Bind it to 127.0.0.1, or pass ` +
      `both --allow-remote and --token-file and put TLS in front of it.`,
  );
}

/**
 * Checks whether an `Authorization` header contains the token, either as a bearer token or as the password of HTTP Basic,
 * which a browser remembers after visiting the endpoint once.
 */
function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  return (authorization) => {
    const [scheme = '', credentials = ''] = authorization?.split(' ', 2) ?? [];
    switch (scheme.toLowerCase()) {
      case 'bearer':
        return isSameSecret(credentials, token);
      case 'basic': {
        const pair = Buffer.from(credentials, 'base64').toString();
        return isSameSecret(pair.slice(pair.indexOf(':') + 1), token);
      }
      default:
        return false;
    }
  };
}
