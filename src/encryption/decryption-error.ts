/**
 * A payload that cannot be decrypted. The message names the key id and what to do; it never holds a key or any text.
 * `reason` is `unknown-key` when no key of that id is configured, `tampered` when the data and the key do not belong
 * together, and `malformed` when the payload is no output of this codec.
 */
export class PayloadDecryptionError extends Error {
  override readonly name = 'PayloadDecryptionError';

  constructor(
    readonly reason: 'unknown-key' | 'tampered' | 'malformed',
    message: string,
  ) {
    super(message);
  }
}
