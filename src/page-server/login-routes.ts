import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { pagePaths } from '../contract/page';
import { mayKey, rolesThatMay } from '../contract/api-keys';
import { requireSafeWay } from './browser-guard';
import type { LoginCodes } from './login-codes';
import { PageError } from './page-error';
import type { PageViewers } from './page-viewers';
import { readBody } from './read-body';
import { noSessionCookie, sessionCookie } from './session-cookie';
import type { Sessions } from './sessions';

/** An API key has 59 characters and a code 43; more is a mistake. */
const maxSecretCharacters = 200;

const loginRequest = z.union([
  z.strictObject({ key: z.string().max(maxSecretCharacters) }),
  z.strictObject({ code: z.string().max(maxSecretCharacters) }),
]);

const refusals = {
  missing: 'The key is missing: paste the whole key that `bellwether keys create` printed.',
  malformed: 'This is not a key of this service: one begins with bw_, and is copied whole.',
  unknown: 'There is no such key here. Check that it was copied whole, and that it is a key of this service.',
  revoked: 'This key was revoked. Ask whoever runs the service for another one.',
  expired: 'This key has expired. Ask whoever runs the service for another one.',
} as const;

const usedCode =
  'This login link was used already, is older than 10 minutes, or was printed by a process that has ended since. Log in ' +
  'with a key, or start the command that printed it again.';

/**
 * Wrong logins in a minute; whoever sends more of them learns no more about them. A right key logs in all the same: nobody
 * can guess one, and otherwise anybody could keep operators out in the middle of an incident.
 */
export const wrongLoginsPerMinute = {
  /** Of one browser. */
  ofClient: 10,
  /** Of a proxy with everybody behind it, or of one machine that claims to be a proxy. */
  ofAddress: 100,
} as const;

interface LoginParts {
  readonly sessions: Sessions;
  readonly codes: LoginCodes;
}

/** Where a session begins. Needs @fastify/rate-limit. */
export function loginRoute(server: FastifyInstance, parts: LoginParts): void {
  const countWrong = wrongLoginCounter(server);
  server.post(pagePaths.login, { schema: { hide: true } }, async (request, reply) => {
    requireSafeWay(request.headers);
    const login = readBody(loginRequest, request.body);
    const keyId = await checkedKey(parts, login).catch(async (error: unknown) => {
      if (error instanceof WrongLogin) await countWrong(request);
      throw error;
    });
    const sessionId = await parts.sessions.begin(keyId, Date.now());
    return reply.header('set-cookie', sessionCookie(sessionId, request.headers)).code(204).send();
  });
}

/** Where it ends. Comes after the check of the session. */
export function logoutRoute(
  server: FastifyInstance,
  { sessions, viewers }: { readonly sessions: Sessions; readonly viewers: Pick<PageViewers, 'endSession'> },
): void {
  server.post(pagePaths.logout, { schema: { hide: true } }, async ({ loggedIn }, reply) => {
    await sessions.end(loggedIn);
    viewers.endSession(loggedIn);
    return reply.header('set-cookie', noSessionCookie).code(204).send();
  });
}

/** A login that the limits count. */
class WrongLogin extends PageError {}

async function checkedKey(parts: LoginParts, login: z.infer<typeof loginRequest>): Promise<string> {
  const text = 'key' in login ? login.key.trim() : keyOfCode(parts, login.code);
  const checked = await parts.sessions.checkKey(text, Date.now());
  if (checked.kind === 'refused') {
    const { reason } = checked;
    // What does not look like a key is a mistake, and costs no look-up.
    const isMistake = reason === 'missing' || reason === 'malformed';
    throw new (isMistake ? PageError : WrongLogin)(401, 'wrong_login', refusals[reason]);
  }
  const { key } = checked;
  if (mayKey(key, 'see-page')) return key.id;
  const roles = rolesThatMay('see-page').join(' or ');
  throw new WrongLogin(
    403,
    'wrong_key_role',
    `This key is right, but its role is ${key.role}, for programs. The page needs a key of the role ${roles}: bellwether keys create --role viewer --name <your name>.`,
  );
}

function keyOfCode({ codes }: LoginParts, code: string): string {
  const key = codes.redeem(code, Date.now());
  if (key === null) throw new WrongLogin(401, 'wrong_login', usedCode);
  return key;
}

/** Returns what counts a wrong login, and refuses it without a reason when there were too many. */
function wrongLoginCounter(server: FastifyInstance): (request: FastifyRequest) => Promise<void> {
  const timeWindow = 60_000;
  const { ofClient, ofAddress } = wrongLoginsPerMinute;
  const limits = [
    server.createRateLimit({ max: ofClient, timeWindow, keyGenerator: clientOf }),
    server.createRateLimit({ max: ofAddress, timeWindow, keyGenerator: ({ ip }) => ip }),
  ];
  return async (request) => {
    for (const limit of limits) {
      const counted = await limit(request);
      if (counted.isAllowed || !counted.isExceeded) continue;
      const { ttlInSeconds } = counted;
      throw new PageError(
        429,
        'too_many_wrong_logins',
        `This login is wrong, and so many wrong ones came from your address that the reason is not told. A right one works at any time; for the reason, try again in ${ttlInSeconds} s.`,
        { 'retry-after': String(ttlInSeconds) },
      );
    }
  };
}

/** Behind a proxy, the last address is the one that it saw. Whoever makes one up still has the limit of his own address. */
function clientOf({ ip, headers }: FastifyRequest): string {
  const forwarded = headers['x-forwarded-for'];
  const seenByProxy = typeof forwarded === 'string' ? forwarded.split(',').at(-1)?.trim().slice(0, 45) : undefined;
  return `${ip} ${seenByProxy ?? ''}`;
}
