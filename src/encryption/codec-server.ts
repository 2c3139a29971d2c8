import cors from '@fastify/cors';
import type { PayloadCodec } from '@temporalio/common';
import { type JSONPayload, JSONToPayload, payloadToJSON } from '@temporalio/common/lib/proto-utils';
import fastify, { type FastifyInstance } from 'fastify';
import { isSameSecret } from '../access/api-key';
import { isLoopback } from '../access/loopback';
import { PayloadDecryptionError } from './aes-gcm-codec';

/** The UI sends the payloads of one page of history: 4 MB over gRPC, a third more in base64, and room for metadata. */
const maxBodyBytes = 8 * 1024 * 1024;

export interface CodecServerOptions {
  readonly codec: PayloadCodec;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Origins of the Temporal UI as a browser names them: `http://localhost:8080`. */
  readonly allowedOrigins: readonly string[];
  /** When set, every call needs it. Required beyond loopback. */
  readonly token?: string;
  /** Allows a host that other machines can reach. */
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
      // CORS keeps a strange page from reading an answer; this keeps it from asking, also under a rebound host name.
      const { origin } = request.headers;
      if (origin !== undefined && !allowedOrigins.includes(origin)) {
        return reply.code(403).send({ message: `Origin ${origin} is not allowed: give it with --origin.` });
      }
      if (!hasToken(request.headers.authorization)) {
        return reply
          .code(401)
          .header('www-authenticate', 'Basic realm="bellwether codec"')
          .send({ message: 'The codec endpoint wants its token, as a bearer token or as a password.' });
      }
      return undefined;
    });

    guarded.get('/', async () => ({ message: 'Signed in. The Temporal UI can decode now.' }));
    for (const direction of ['encode', 'decode'] as const) {
      guarded.post<{ Body: RemoteCodecBody }>(`/${direction}`, { schema: { body: bodySchema } }, async (request) => {
        const payloads = await codec[direction](request.body.payloads.map(JSONToPayload));
        return { payloads: payloads.map(payloadToJSON) };
      });
    }
  });
}

/**
 * Serves Temporal's remote codec protocol, by which the Temporal UI and CLI show encrypted payloads: `POST /encode` and
 * `POST /decode` with `{ payloads: [{ metadata, data }] }` in proto JSON, and `GET /healthz`.
 *
 * @throws RangeError when the host is not loopback and `allowRemote` or `token` is missing.
 */
export async function startCodecServer(options: CodecServerOptions): Promise<CodecServer> {
  const { host = '127.0.0.1', port, allowedOrigins, allowRemote = false, token } = options;
  checkExposure(host, allowRemote, token);
  const server = fastify({
    bodyLimit: maxBodyBytes,
    // Browsers keep idle connections open; closing must not wait for them.
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
    // Any other error comes from payloads that are no proto JSON; its text may quote them.
    const message = known ? error.message : 'The payloads are not in proto JSON: metadata and data are base64.';
    return reply.code(error.statusCode ?? 400).send({ message });
  });
  addRoutes(server, options);
  const url = await server.listen({ host, port });
  return { url, port: Number(new URL(url).port), close: () => server.close() };
}

/** Shorter tokens can be guessed at network speed; `openssl rand -base64 24` has 32 characters. */
const minTokenLength = 24;

/**
 * Whoever reaches the codec endpoint can read every message, so it leaves this machine only on purpose.
 *
 * @throws RangeError when the host is not loopback and either `allowRemote` or the token is missing, or when the token
 *   is shorter than 24 characters.
 */
function checkExposure(host: string, allowRemote: boolean, token: string | undefined): void {
  if (token !== undefined && token.length < minTokenLength) {
    throw new RangeError(
      `The codec endpoint's token has ${token.length} characters and needs at least ${minTokenLength}: make one with ` +
        `\`openssl rand -base64 24\`.`,
    );
  }
  if (isLoopback(host) || (allowRemote && token !== undefined)) return;
  throw new RangeError(
    `The codec endpoint decrypts messages, and ${host} can be reached from other machines. Bind it to 127.0.0.1, or ` +
      `give both --allow-remote and --token-file and put TLS in front of it.`,
  );
}

/**
 * Says whether an `Authorization` header holds the token: as a bearer token, or as the password of HTTP Basic, which is
 * what a browser can be taught by visiting the endpoint once.
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
