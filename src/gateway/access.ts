import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkApiKey } from '../access/check-api-key';
import type { ApiKey } from '../ledger/api-keys';
import type { GatewayContext } from './context';
import { forbidden, GatewayError } from './gateway-error';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of whoever asks; only on routes behind `requireKey`. */
    apiKey: ApiKey;
  }
}

const refusals = {
  missing: 'An API key is missing: send it as Authorization: Bearer <key>.',
  malformed: 'This is no API key of this service: one begins with bw_, and is copied whole.',
  unknown: 'There is no such API key here.',
  revoked: 'This API key was revoked. Ask the operator for another one.',
  expired: 'This API key has expired. Ask the operator for another one.',
} as const;

/** Lets in whoever brings a valid API key. Failures are not limited: nobody guesses the 256 bits of a secret at any speed. */
export function requireKey(server: FastifyInstance, { keys }: GatewayContext): void {
  server.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const checked = await checkApiKey(keys, bearerOf(request), Date.now());
    if (checked.kind === 'valid') {
      request.apiKey = checked.key;
      return;
    }
    reply.header('www-authenticate', 'Bearer realm="bellwether"');
    throw new GatewayError(401, {
      message: refusals[checked.reason],
      type: 'authentication_error',
      param: null,
      code: 'invalid_api_key',
    });
  });
}

/** Operators' keys run the service; what costs money is for keys with budgets. */
export async function requireChatKey({ apiKey }: FastifyRequest): Promise<void> {
  if (apiKey.role === 'chat') return;
  throw forbidden('This is an operator key. Turns need a key of the role chat.', 'wrong_key_role');
}

export async function requireOperatorKey({ apiKey }: FastifyRequest): Promise<void> {
  if (apiKey.role === 'operator') return;
  throw forbidden('This needs an operator key.', 'wrong_key_role');
}

function bearerOf({ headers }: FastifyRequest): string | undefined {
  const [scheme = '', key] = headers.authorization?.trim().split(/ +/, 2) ?? [];
  return scheme.toLowerCase() === 'bearer' ? key : undefined;
}
