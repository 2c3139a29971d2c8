import { randomBytes } from 'node:crypto';
import { hashSecret } from '../access/api-key';
import { pagePaths } from '../contract/page';

/** Long enough to open a link that was just printed. */
const codeMs = 10 * 60 * 1000;

/** Nobody prints more at once; the oldest stop working. */
const maxCodes = 100;

interface LoginCode {
  readonly key: string;
  readonly expiresAtMs: number;
}

/** Single-use codes of login links. In memory alone: the process that prints a link also serves it. */
export class LoginCodes {
  private readonly codes = new Map<string, LoginCode>();

  /** A link that logs in with this API key, once: the code is in the fragment, which browsers send to nobody. */
  link(url: string, key: string, nowMs = Date.now()): string {
    const code = randomBytes(32).toString('base64url');
    const [oldest] = this.codes.keys();
    if (this.codes.size >= maxCodes && oldest !== undefined) this.codes.delete(oldest);
    this.codes.set(hashOf(code), { key, expiresAtMs: nowMs + codeMs });
    return `${url}${pagePaths.login}#${code}`;
  }

  /** The key to log in with; null if the code is unknown, used or too old. */
  redeem(code: string, nowMs: number): string | null {
    const hash = hashOf(code);
    const known = this.codes.get(hash);
    this.codes.delete(hash);
    return known !== undefined && nowMs < known.expiresAtMs ? known.key : null;
  }
}

function hashOf(code: string): string {
  return hashSecret(code).toString('hex');
}
