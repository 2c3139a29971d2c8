import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import replyFrom from '@fastify/reply-from';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { foreignCaller } from '../access/loopback';
import { makePrivateDirectory } from '../platform/private-directory';

export interface GuardedUi {
  /** The link that opens the UI: the token is in it. */
  readonly link: string;
  close(): Promise<void>;
}

const host = '127.0.0.1';

/**
 * Serves Temporal's UI to whoever has the token, and to no web page from elsewhere. The UI itself checks nobody, and through
 * it every history can be read and any workflow started.
 */
export async function startGuardedUi(options: {
  /** Where the UI itself listens. */
  readonly upstream: string;
  /** 0: any free port. */
  readonly port: number;
  readonly token: string;
}): Promise<GuardedUi> {
  const { upstream, port, token } = options;
  // A browser keeps connections open; closing must not wait for them.
  const server = fastify({ forceCloseConnections: true });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, body, done) => done(null, body));
  // The UI waits long for news of a running workflow.
  await server.register(replyFrom, { base: upstream, undici: { headersTimeout: 0, bodyTimeout: 0 } });

  server.addHook('onRequest', async (request, reply) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) return reply.code(403).type('text/plain').send(refusal);
    const cookie = cookieName((server.server.address() as AddressInfo).port);
    const { token: offered } = request.query as { readonly token?: unknown };
    if (typeof offered === 'string' && isSame(offered, token)) return letIn(reply, `${cookie}=${token}`);
    if (isAskedByAnotherPage(request)) return reply.code(403).type('text/plain').send(openItYourself);
    if (cookiesOf(request).some((each) => isSame(each, `${cookie}=${token}`))) return undefined;
    return reply.code(401).type('text/plain').send(linkIsNeeded);
  });
  server.addHook('onSend', async (_request, reply) => {
    // A page that frames the UI cannot read it, but can lead the user to click there. The UI's own policy holds beside this one.
    const policies = [reply.getHeader('content-security-policy') ?? [], "frame-ancestors 'none'"].flat();
    reply.header('content-security-policy', policies.join(', ')).header('x-frame-options', 'DENY');
  });
  server.all('/*', (request, reply) =>
    reply.from(request.url, {
      onError: (failed) => {
        void failed.code(502).type('text/plain').send("Temporal's UI does not answer: load the page again.\n");
      },
    }),
  );

  const url = await server.listen({ host, port }).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? portTaken(port, error) : error;
  });
  return { link: `${url}/?token=${token}`, close: () => server.close() };
}

const linkIsNeeded =
  'This page opens with the link that `bellwether up` prints, the one that ends with ?token=…\n' +
  'The link is the same after a restart.\n';

const openItYourself =
  "Pages of another origin may neither use Temporal's UI nor lead to it: open the link that `bellwether up` prints.\n";

/** What says by its name, or by its page's, that it is from elsewhere. Another port of this machine is elsewhere too. */
function refusalOf({ headers }: FastifyRequest): string | undefined {
  const { origin } = headers;
  const foreign = foreignCaller(headers);
  if (foreign?.header === 'host') return `This is not ${headers.host}: open the link that \`bellwether up\` prints.\n`;
  if (foreign ?? (origin !== undefined && origin !== `http://${headers.host}`)) {
    return `Pages of ${origin} may not use the Temporal UI of this machine.\n`;
  }
  return undefined;
}

/**
 * A plain GET, a frame and a navigation have no `Origin`, and to a browser all ports of this machine are one site, for which it
 * sends the cookie. `none`: the user typed the address, or opened a bookmark. Browsers older than 2023 may send no such header.
 */
function isAskedByAnotherPage({ headers }: FastifyRequest): boolean {
  const { 'sec-fetch-site': site } = headers;
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** Cookies do not know ports: each UI of this machine has a name of its own for it. */
function cookieName(port: number): string {
  return `bellwether-ui-${port}`;
}

function cookiesOf({ headers }: FastifyRequest): readonly string[] {
  return headers.cookie?.split('; ') ?? [];
}

/**
 * Hands the token over as a cookie. A page goes on to the UI, not a redirect: followed from a link on another site, that
 * would still be the other site's request, for which a browser keeps a strict cookie back.
 */
function letIn(reply: FastifyReply, cookie: string): FastifyReply {
  return reply
    .header('set-cookie', `${cookie}; Path=/; HttpOnly; SameSite=Strict`)
    .header('cache-control', 'no-store')
    .header('referrer-policy', 'no-referrer')
    .type('text/html')
    .send('<!doctype html><title>Temporal</title><meta http-equiv="refresh" content="0; url=/">');
}

/** In a time that tells nothing of where two texts differ. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function portTaken(port: number, cause: unknown): Error {
  return new Error(
    `Port ${port} is taken: choose another one for the Temporal UI with --ui-port, or 0 for any free one.`,
    {
      cause,
    },
  );
}

/** Its owner alone may read it. */
const ownerOnly = 0o600;

/** The secret in the link to the UI, kept in the data directory so that link and cookie are the same after a restart. */
export async function uiToken(dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, 'temporal-ui-token');
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  // A file that was cut off, or emptied, must not become a token that can be guessed.
  if (/^[\w-]{43}$/.test(kept)) return kept;
  const token = randomBytes(32).toString('base64url');
  makePrivateDirectory(dataDirectory);
  await writeFile(file, `${token}\n`, { mode: ownerOnly });
  return token;
}
