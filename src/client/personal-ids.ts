import { createHmac } from 'node:crypto';

const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
const mailAddress = /[^\s@]@[^\s@]/;
/** 7 to 15 digits (E.164) with the usual signs between them, in a word of their own. Dates match, too, which does no harm. */
const telephoneNumber = /(?<![A-Za-z0-9])\+?\d([()./ -]{0,2}\d){6,14}(?![A-Za-z0-9])/;

/**
 * Temporal never encrypts workflow ids and search attributes, so a session that is named by a mail address or a telephone
 * number is named by a hash of it instead. Without the key nobody can test guesses against the hash. A name that was
 * replaced is not replaced again, so every surface may do this for itself.
 */
export function withoutPersonalData(id: string, key: Uint8Array | undefined): string {
  if (key === undefined) return id;
  const rest = id.replaceAll(uuid, '');
  if (!mailAddress.test(rest) && !telephoneNumber.test(rest)) return id;
  return `hidden-h${createHmac('sha256', key).update(id).digest('hex').slice(0, 40)}`;
}
