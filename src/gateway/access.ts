import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkApiKey } from '../access/check-api-key';
import { TooManyLookupsError } from '../access/batched-lookups';
import { foreignCaller, isLoopback } from '../access/loopback';
import type { GatewaySettings } from '../config/settings';
import { LedgerUnavailableError } from '../contract/ledger';
import { type ApiKey, type KeyPermission, mayKey, rolesThatMay } from '../contract/api-keys';
import type { GatewayContext } from './context';
import { GatewayError } from './gateway-error';
import type { GatewayServer } from './server';

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

/** Requires a valid API key. Failures are not limited, because nobody can guess the 256 bits of a secret. */
export function requireKey(server: FastifyInstance, { keys, readiness, limits }: GatewayContext): void {
  server.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const checking = checkApiKey(keys, bearerOf(request), Date.now()).catch(tooManyUnknownKeys);
    const checked = await (readiness.mayLackLedger ? orLedgerUnavailable(checking, limits.readinessMs) : checking);
    if (checked.kind === 'valid') {
      request.apiKey = checked.key;
      return;
    }
    reply.header('www-authenticate', 'Bearer realm="bellwether"');
    throw new GatewayError('invalid_api_key', refusals[checked.reason]);
  });
}

/** A look-up retries for 30 s, which is too long to wait for a ledger that has already been missing for longer. */
function orLedgerUnavailable<Answer>(asked: Promise<Answer>, timeoutMs: number): Promise<Answer> {
  return Promise.race([asked, delay(timeoutMs, undefined, { ref: false }).then(notLookedUp)]);
}

function notLookedUp(): never {
  throw new LedgerUnavailableError('An API key could not be looked up.');
}

/** A hook for routes behind `requireKey`: accepts only keys whose role has this permission. */
export function requirePermission(permission: KeyPermission) {
  return async ({ apiKey }: FastifyRequest): Promise<void> => {
    if (mayKey(apiKey, permission)) return;
    const roles = rolesThatMay(permission).join(' or ');
    throw new GatewayError(
      'wrong_key_role',
      `This API key has the role ${apiKey.role}, but this route needs the role ${roles}.`,
    );
  };
}

function tooManyUnknownKeys(error: unknown): never {
  if (!(error instanceof TooManyLookupsError)) throw error;
  throw new GatewayError(
    'overloaded',
    'Too many unknown API keys are arriving, so this one was not looked up. Try again in a second.',
    { headers: { 'retry-after': '1' } },
  );
}

function bearerOf({ headers }: FastifyRequest): string | undefined {
  const [scheme = '', key] = headers.authorization?.trim().split(/ +/, 2) ?? [];
  return scheme.toLowerCase() === 'bearer' ? key : undefined;
}

/**
 * On loopback, refuses what a web page from elsewhere sends through a browser on this machine, whatever the route. Where
 * other machines reach the gateway, nothing can be told by these headers: proxies set `Host` as they please.
 */
export function refuseForeignPages(
  server: GatewayServer,
  host: string,
  { allowedHosts, corsOrigins }: Pick<GatewaySettings, 'allowedHosts' | 'corsOrigins'>,
): void {
  if (!isLoopback(host)) return;
  server.addHook('onRequest', async ({ headers }) => {
    const { origin } = headers;
    const isAllowed = origin !== undefined && corsOrigins.includes(origin);
    const foreign = foreignCaller(isAllowed ? { host: headers.host } : headers, allowedHosts);
    if (foreign === undefined) return;
    const { header, value, name } = foreign;
    throw new GatewayError(
      'foreign_caller',
      `This gateway is for programs and pages of this machine, and ${named[header]} is "${shortened(value)}". ` +
        (name === '' && header === 'origin' ? serveIt : allowIt),
      { param: header },
    );
  });
}

const named = { host: 'Host', origin: 'Origin' } as const;
const allowIt = 'If that is a name of your own, put it into gateway.allowedHosts, without a port.';
const serveIt =
  'A local file or a sandboxed frame has no name that could be allowed. Serve the page over HTTP from this machine.';

function shortened(value: string): string {
  return value.length > 100 ? `${value.slice(0, 100)}…` : value;
}
