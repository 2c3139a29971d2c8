import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { isLoopback, nameOfHost } from '../access/loopback';
import { PageError } from './page-error';

/**
 * Nothing but our own files runs on the page, it calls nobody but us, and no other page frames it or keeps a handle on it.
 * Sent with every answer, because any of them can be opened as a document.
 */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;

export function secureAnswers(server: FastifyInstance): void {
  server.addHook('onRequest', async (_request, reply: FastifyReply) => {
    reply.headers(headers);
  });
}

/**
 * Refuses what another page makes a browser send, beside the cookie's SameSite=Strict: that still lets in pages of the same
 * site, such as another port of this machine. `Origin` and `Sec-Fetch-Site` cannot be set by pages. Programs other than
 * browsers send neither, and have no cookie that somebody could abuse.
 * @param allowedHosts names of this service, for proxies that replace `Host`
 */
export function refuseOtherPages(headersSent: IncomingHttpHeaders, allowedHosts: readonly string[]): void {
  const { origin, host, 'sec-fetch-site': site } = headersSent;
  const isSameSite = site === undefined || site === 'same-origin' || site === 'none';
  if (isSameSite && (origin === undefined || isOurs(origin, host, allowedHosts))) return;
  throw new PageError(
    403,
    'foreign_caller',
    'The request comes from a page of another origin, so it was refused. If a proxy in front of the gateway replaces the Host header, let it keep Host, or put the name of the page into gateway.allowedHosts.',
  );
}

function isOurs(origin: string, host: string | undefined, allowedHosts: readonly string[]): boolean {
  if (!URL.canParse(origin)) return false;
  const { host: originHost, hostname } = new URL(origin);
  return originHost === host?.toLowerCase() || allowedHosts.includes(hostname);
}

/**
 * Whether the browser reached us over HTTPS. The proxy that ends TLS says so. Whoever claims it falsely harms only himself:
 * browsers send a Secure cookie over HTTPS alone.
 */
export function isOverTls({ 'x-forwarded-proto': protocol }: IncomingHttpHeaders): boolean {
  return typeof protocol === 'string' && protocol.split(',', 1)[0]?.trim().toLowerCase() === 'https';
}

/** Over plain HTTP, everybody between the browser and another machine could read the key and the cookie. */
export function isReachedSafely(headersSent: IncomingHttpHeaders): boolean {
  return isOverTls(headersSent) || isLoopback(nameOfHost(headersSent.host ?? ''));
}

export const tlsRequired =
  'Over plain HTTP anyone on the way could read your key, so the page is not served like this. Open it over HTTPS, through ' +
  'a proxy that sets X-Forwarded-Proto, or through a tunnel: ssh -L 8080:127.0.0.1:8080, then http://localhost:8080/page. ' +
  'A key that was sent over plain HTTP should be revoked.';

export function requireSafeWay(headersSent: IncomingHttpHeaders): void {
  if (!isReachedSafely(headersSent)) throw new PageError(403, 'tls_required', tlsRequired);
}
