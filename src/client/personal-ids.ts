import { createHmac } from 'node:crypto';

const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
/** Without `+`: on a long name without an address, that would take quadratic time. */
const mailAddress = /[^\s@]@[^\s@]/;
/** A separate word of 7 to 15 digits (E.164) with the usual separators. Dates match, too, which does no harm. */
const telephoneNumber = /(?<![A-Za-z0-9])\+?\d([()./ -]{0,2}\d){6,14}(?![A-Za-z0-9])/;

/**
 * Temporal never encrypts workflow ids and search attributes, so a session id that contains a mail address or a telephone
 * number is replaced by a keyed hash: without the key, nobody can test guesses. A replaced id is not replaced again, so
 * every entry point may call this.
 */
export function withoutPersonalData(id: string, key: Uint8Array | undefined): string {
  if (key === undefined) return id;
  const rest = id.replaceAll(uuid, '');
  if (!mailAddress.test(rest) && !telephoneNumber.test(rest)) return id;
  return `hidden-h${createHmac('sha256', key).update(id).digest('hex').slice(0, 40)}`;
}
