import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import replyFrom from '@fastify/reply-from';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { isSameSecret } from '../access/api-key';
import { foreignCaller } from '../access/loopback';
import { makePrivateDirectory } from '../platform/private-directory';

export interface GuardedUi {
  /** The link that opens the UI; it contains the token. */
  readonly link: string;
  close(): Promise<void>;
}

const host = '127.0.0.1';

/**
 * Serves Temporal's UI to anyone with the token, but not to foreign web pages. The UI itself has no authentication, and
 * it can read every history and start any workflow.
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
  // The UI's long polls wait for events of running workflows.
  await server.register(replyFrom, { base: upstream, undici: { headersTimeout: 0, bodyTimeout: 0 } });

  server.addHook('onRequest', async (request, reply) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) return reply.code(403).type('text/plain').send(refusal);
    const cookie = cookieName((server.server.address() as AddressInfo).port);
    const { token: offered } = request.query as { readonly token?: unknown };
    if (typeof offered === 'string' && isSameSecret(offered, token)) return letIn(reply, `${cookie}=${token}`);
    if (isAskedByAnotherPage(request)) return reply.code(403).type('text/plain').send(openItYourself);
    if (cookiesOf(request).some((each) => isSameSecret(each, `${cookie}=${token}`))) return undefined;
    return reply.code(401).type('text/plain').send(linkIsNeeded);
  });
  server.addHook('onSend', async (_request, reply) => {
    // A page that frames the UI cannot read it, but could trick the user into clicking there. The UI's own policy still
    // applies.
    const policies = [reply.getHeader('content-security-policy') ?? [], "frame-ancestors 'none'"].flat();
    reply.header('content-security-policy', policies.join(', ')).header('x-frame-options', 'DENY');
  });
  server.all('/*', (request, reply) =>
    reply.from(request.url, {
      onError: (failed) => {
        void failed.code(502).type('text/plain').send("Temporal's UI does not answer: reload the page.\n");
      },
    }),
  );

  const url = await server.listen({ host, port }).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? portTaken(port, error) : error;
  });
  return { link: `${url}/?token=${token}`, close: () => server.close() };
}

const linkIsNeeded =
  'Open this page with the link that `bellwether up` prints, which ends with ?token=…\n' +
  'The link is the same after a restart.\n';

const openItYourself =
  "Pages of another origin may neither use Temporal's UI nor lead to it: open the link that `bellwether up` prints.\n";

/** Refuses requests whose `Host` or `Origin` is foreign. Another port of this machine is foreign, too. */
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
 * A plain GET, a frame and a navigation have no `Origin`, and browsers treat all ports of this machine as one site, so
 * they send the cookie. `none` means that the user typed the address or opened a bookmark. Browsers from before 2023
 * may not send this header.
 */
function isAskedByAnotherPage({ headers }: FastifyRequest): boolean {
  const { 'sec-fetch-site': site } = headers;
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** Cookies are shared between ports, so each UI of this machine has its own cookie name. */
function cookieName(port: number): string {
  return `bellwether-ui-${port}`;
}

function cookiesOf({ headers }: FastifyRequest): readonly string[] {
  return headers.cookie?.split('; ') ?? [];
}

/**
 * Sets the token as a cookie and loads the UI from a page, not by a redirect: after a link on another site, a redirect
 * still counts as that site's request, and browsers withhold strict cookies from it.
 */
function letIn(reply: FastifyReply, cookie: string): FastifyReply {
  return reply
    .header('set-cookie', `${cookie}; Path=/; HttpOnly; SameSite=Strict`)
    .header('cache-control', 'no-store')
    .header('referrer-policy', 'no-referrer')
    .type('text/html')
    .send('<!doctype html><title>Temporal</title><meta http-equiv="refresh" content="0; url=/">');
}

function portTaken(port: number, cause: unknown): Error {
  return new Error(
    `Port ${port} is taken: choose another one for the Temporal UI with --ui-port, or 0 for any free one.`,
    {
      cause,
    },
  );
}

/** Only the owner may read the file. */
const ownerOnly = 0o600;

/** The secret in the link to the UI, kept in the data directory so that link and cookie survive a restart. */
export async function uiToken(dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, 'temporal-ui-token');
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim();
  // A truncated or empty file must not become a guessable token.
  if (/^[\w-]{43}$/.test(kept)) return kept;
  const token = randomBytes(32).toString('base64url');
  makePrivateDirectory(dataDirectory);
  await writeFile(file, `${token}\n`, { mode: ownerOnly });
  return token;
}
