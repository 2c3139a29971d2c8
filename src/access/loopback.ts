import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';

/** Whether only this machine reaches a server that listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** The header by which a request shows that a web page from elsewhere sent it. */
export interface ForeignCaller {
  readonly header: 'host' | 'origin';
  readonly value: string;
  /** What could be allowed; empty where `value` holds no name, as an `Origin` of `null` or `file://`. */
  readonly name: string;
}

/**
 * What shows that a request to a loopback server comes from a web page from elsewhere; undefined when nothing does. Any
 * page that is open in a browser here can send requests to loopback. A page that points its own name at 127.0.0.1 can read
 * the answers too, but that name is then in `Host`. Any other page that sends more than a plain GET is named in `Origin`.
 * Programs that are no browser can say what they like, and are not what this is about.
 * @param allowedHosts names that may stand in either header, besides those of loopback
 */
export function foreignCaller(
  { host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>,
  allowedHosts: readonly string[] = [],
): ForeignCaller | undefined {
  const isOurs = (name: string): boolean => isLoopback(name) || allowedHosts.includes(name);
  if (host !== undefined && !isOurs(nameOf(host))) return { header: 'host', value: host, name: nameOf(host) };
  if (origin !== undefined && !isOurs(nameOfOrigin(origin))) {
    return { header: 'origin', value: origin, name: nameOfOrigin(origin) };
  }
  return undefined;
}

/** `localhost` of `LocalHost:8080`, `::1` of `[::1]:8080`. */
function nameOf(host: string): string {
  const { name, address } = /^(?:\[(?<address>[\da-f:.]+)\]|(?<name>[^:]*))(?::\d*)?$/i.exec(host)?.groups ?? {};
  return (name ?? address ?? '').toLowerCase();
}

/** Empty for `null`, which is what a sandboxed page and a local file send. */
function nameOfOrigin(origin: string): string {
  return URL.canParse(origin) ? nameOf(new URL(origin).host) : '';
}
