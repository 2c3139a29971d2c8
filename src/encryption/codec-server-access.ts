import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback } from '../loopback';

/** Shorter tokens can be guessed at network speed; `openssl rand -base64 24` has 32 characters. */
const minTokenLength = 24;

/**
 * Whoever reaches the codec endpoint can read every message, so it leaves this machine only on purpose.
 *
 * @throws RangeError when the host is not loopback and either `allowRemote` or the token is missing, or when the token
 *   is shorter than 24 characters.
 */
export function checkExposure(host: string, allowRemote: boolean, token: string | undefined): void {
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

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * Says whether an `Authorization` header holds the token: as a bearer token, or as the password of HTTP Basic, which is
 * what a browser can be taught by visiting the endpoint once.
 */
export function createTokenCheck(token: string): (authorization: string | undefined) => boolean {
  const expected = digest(token);
  return (authorization) => {
    const [scheme = '', credentials = ''] = authorization?.split(' ', 2) ?? [];
    switch (scheme.toLowerCase()) {
      case 'bearer':
        return timingSafeEqual(digest(credentials), expected);
      case 'basic': {
        const pair = Buffer.from(credentials, 'base64').toString();
        return timingSafeEqual(digest(pair.slice(pair.indexOf(':') + 1)), expected);
      }
      default:
        return false;
    }
  };
}
