import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';

/** Whether a server that listens on this host is reachable only from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** The header that reveals that a foreign web page sent the request. */
export interface ForeignCaller {
  readonly header: 'host' | 'origin';
  readonly value: string;
  /** The name to allow; empty if `value` has none, as with an `Origin` of `null` or `file://`. */
  readonly name: string;
}

/**
 * Detects that a request to a loopback server comes from a foreign web page; undefined if nothing indicates that. Any page
 * that is open in a local browser can send requests to loopback. With DNS rebinding, a page whose own name points to
 * 127.0.0.1 can also read the responses, but then `Host` contains that name. Any other page that sends more than a plain
 * GET is named in `Origin`. Programs other than browsers can send any headers; this is not meant to stop them.
 * @param allowedHosts names that are allowed in both headers, in addition to loopback names
 */
export function foreignCaller(
  { host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>,
  allowedHosts: readonly string[] = [],
): ForeignCaller | undefined {
  const isOurs = (name: string): boolean => isLoopback(name) || allowedHosts.includes(name);
  if (host !== undefined && !isOurs(nameOfHost(host))) return { header: 'host', value: host, name: nameOfHost(host) };
  if (origin !== undefined && !isOurs(nameOfOrigin(origin))) {
    return { header: 'origin', value: origin, name: nameOfOrigin(origin) };
  }
  return undefined;
}

/** `localhost` of `LocalHost:8080`, `::1` of `[::1]:8080`. */
export function nameOfHost(host: string): string {
  const { name, address } = /^(?:\[(?<address>[\da-f:.]+)\]|(?<name>[^:]*))(?::\d*)?$/i.exec(host)?.groups ?? {};
  return (name ?? address ?? '').toLowerCase();
}

/** Empty for `null`, which sandboxed pages and local files send. */
function nameOfOrigin(origin: string): string {
  return URL.canParse(origin) ? nameOfHost(new URL(origin).host) : '';
}
