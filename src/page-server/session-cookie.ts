import type { IncomingHttpHeaders } from 'node:http';
import { pagePaths } from '../contract/page';
import { isOverTls } from './browser-guard';
import { sessionMs } from './sessions';

const name = 'bellwether_page';

/** The session's id that a browser sent. */
export function readSessionCookie({ cookie }: IncomingHttpHeaders): string | undefined {
  const pairs = cookie?.split(';').map((pair) => pair.trim()) ?? [];
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** No script reads it, no other site sends it, and it is sent to the page alone; over HTTPS alone if it came so. */
export function sessionCookie(sessionId: string, headers: IncomingHttpHeaders): string {
  return [
    `${name}=${sessionId}`,
    `Max-Age=${sessionMs / 1000}`,
    `Path=${pagePaths.page}`,
    'HttpOnly',
    ...(isOverTls(headers) ? ['Secure'] : []),
    'SameSite=Strict',
  ].join('; ');
}

export const noSessionCookie = `${name}=; Max-Age=0; Path=${pagePaths.page}; HttpOnly; SameSite=Strict`;
