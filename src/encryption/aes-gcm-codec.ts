import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import type { EncryptionSettings } from '../config/settings';

/**
 * A payload cannot be decrypted. The message contains the key id and what to do, but never a key or any text. `reason` is
 * `unknown-key` if no key with that id is configured, `tampered` if the key does not match the data, `malformed` if the
 * payload was not written by this codec, `moved` if it was encrypted for another place, and `plain` if it is not
 * encrypted although that is required.
 */
export class PayloadDecryptionError extends Error {
  override readonly name = 'PayloadDecryptionError';

  constructor(
    readonly reason: 'unknown-key' | 'tampered' | 'malformed' | 'moved' | 'plain',
    message: string,
  ) {
    super(message);
  }
}

const cipherName = 'aes-256-gcm';
const keyBytes = 32;
/** 96 bits, the length that GCM uses without hashing it (NIST SP 800-38D, 8.2). */
const vectorBytes = 12;
const tagBytes = 16;

/** The encoding that Temporal's own samples and tools use for encrypted payloads. */
const encryptedEncoding = 'binary/encrypted';
const keyIdMetadata = 'encryption-key-id';

/**
 * Where a payload belongs: its namespace and workflow id. Copied anywhere else, it is refused. A place may consist of only
 * the first part, or none; then the rest is not checked.
 */
export type Place = readonly string[];

/**
 * In the metadata inside the encrypted payload. So the same key authenticates it, and programs that do not know the place
 * (the codec endpoint, an older version) can still decrypt the payload. Payloads of an older version do not have it.
 */
const placeMetadata = 'encrypted-for';

const utf8 = new TextEncoder();

/** The tag also authenticates the format and the key id, so that neither can be exchanged. */
function additionalData(keyId: string): Uint8Array {
  return utf8.encode(`${encryptedEncoding}\n${cipherName}\n${keyId}`);
}

function encrypt(payload: Payload, keyId: string, key: Uint8Array): Payload {
  const vector = randomBytes(vectorBytes);
  const cipher = createCipheriv(cipherName, key, vector, { authTagLength: tagBytes });
  cipher.setAAD(additionalData(keyId));
  const text = temporal.api.common.v1.Payload.encode(payload).finish();
  return {
    metadata: { encoding: utf8.encode(encryptedEncoding), [keyIdMetadata]: utf8.encode(keyId) },
    data: Buffer.concat([vector, cipher.update(text), cipher.final(), cipher.getAuthTag()]),
  };
}

function withPlace(payload: Payload, place: Place): Payload {
  return { ...payload, metadata: { ...payload.metadata, [placeMetadata]: utf8.encode(JSON.stringify(place)) } };
}

/** The payload as it was given. @throws {PayloadDecryptionError} if it was encrypted for another place */
function fromPlace(payload: Payload, expected: Place): Payload {
  const { [placeMetadata]: encoded, ...metadata } = payload.metadata ?? {};
  if (encoded === undefined) return payload;
  const place = JSON.parse(Buffer.from(encoded).toString()) as Place;
  if (place.every((part, index) => expected[index] === undefined || expected[index] === part)) {
    return { ...payload, metadata };
  }
  throw new PayloadDecryptionError(
    'moved',
    `A payload was encrypted for ${place.join(', ')}, but it is in ${expected.join(', ')}: somebody has copied it there, ` +
      'or the namespace was renamed. The payload was not used.',
  );
}

function decrypt(data: Uint8Array, keyId: string, key: Uint8Array): Payload {
  const decipher = createDecipheriv(cipherName, key, data.subarray(0, vectorBytes), { authTagLength: tagBytes });
  decipher.setAAD(additionalData(keyId));
  decipher.setAuthTag(data.subarray(data.length - tagBytes));
  let text: Buffer;
  try {
    text = Buffer.concat([decipher.update(data.subarray(vectorBytes, data.length - tagBytes)), decipher.final()]);
  } catch {
    // OpenSSL says only "unable to authenticate", which has one of these two reasons.
    throw new PayloadDecryptionError(
      'tampered',
      `A payload was encrypted with key "${keyId}" but cannot be decrypted with it: either a different key was configured ` +
        `under that id at the time, or the stored data was modified. Compare the key with the one in your secret store; ` +
        `if it is the same, restore the data from a backup.`,
    );
  }
  return temporal.api.common.v1.Payload.decode(text);
}

function checkSettings({ activeKeyId, keys }: EncryptionSettings): Uint8Array {
  for (const [keyId, key] of keys) {
    if (key.length !== keyBytes) {
      throw new RangeError(
        `Encryption key "${keyId}" has ${key.length} bytes, but AES-256 needs ${keyBytes}: generate one with ` +
          `\`openssl rand -base64 ${keyBytes}\`.`,
      );
    }
  }
  const activeKey = keys.get(activeKeyId);
  if (activeKey === undefined) {
    throw new RangeError(
      `The active encryption key is "${activeKeyId}", but no key with that id is configured (configured: ` +
        `${[...keys.keys()].join(', ') || 'none'}). Add the key, or make one of these the active one.`,
    );
  }
  return activeKey;
}

/** Encrypts single payloads for a place, and decrypts them only there. */
export interface PayloadCipher {
  encrypt(payload: Payload, place: Place): Payload;
  /** @throws {PayloadDecryptionError} */
  decrypt(payload: Payload, place: Place): Payload;
}

/**
 * Encrypts payloads with AES-256-GCM. The `data` of an encrypted payload is vector (12 bytes) ‖ ciphertext ‖ tag
 * (16 bytes). The ciphertext contains the whole payload with its metadata, and its place; the key's id is in the outer
 * metadata. Vectors are random, so a key is good for 2^32 payloads (NIST SP 800-38D, 8.3): rotate it well before that.
 *
 * Decrypting accepts all configured keys. Unless the settings are strict, it passes unencrypted payloads through, so that
 * encryption can be enabled while workflows are running.
 *
 * @throws RangeError if a key does not have 32 bytes or the active key is missing.
 */
export function createPayloadCipher(settings: EncryptionSettings): PayloadCipher {
  const activeKey = checkSettings(settings);
  return {
    encrypt: (payload, place) =>
      encrypt(place.length === 0 ? payload : withPlace(payload, place), settings.activeKeyId, activeKey),
    decrypt(payload, place) {
      const { metadata, data } = payload;
      if (metadata?.encoding === undefined || Buffer.from(metadata.encoding).toString() !== encryptedEncoding) {
        if (settings.strict === true) throw notEncrypted(place);
        return payload;
      }
      const keyIdBytes = metadata[keyIdMetadata];
      if (keyIdBytes === undefined || !data || data.length < vectorBytes + tagBytes) {
        throw new PayloadDecryptionError(
          'malformed',
          `An encrypted payload has no ${keyIdBytes === undefined ? `"${keyIdMetadata}" metadata` : 'complete data'}: ` +
            `a different codec wrote it, or it was truncated. All clients and workers of a namespace must use the same codec.`,
        );
      }
      const keyId = Buffer.from(keyIdBytes).toString();
      const key = settings.keys.get(keyId);
      if (key === undefined) {
        throw new PayloadDecryptionError(
          'unknown-key',
          `A payload is encrypted with key ${JSON.stringify(keyId)}, which is not configured here. Add that key in addition to ` +
            `the active one, and keep it until Temporal's retention has removed all workflows that used it.`,
        );
      }
      return fromPlace(decrypt(data, keyId, key), place);
    },
  };
}

/** The same for Temporal's clients and workers. A workflow's payloads can be decrypted only in that workflow. */
export function createPayloadCodec(settings: EncryptionSettings): PayloadCodec {
  const cipher = createPayloadCipher(settings);
  return {
    encode: async (payloads, context) => payloads.map((payload) => cipher.encrypt(payload, placeOf(context))),
    decode: async (payloads, context) => payloads.map((payload) => cipher.decrypt(payload, placeOf(context))),
  };
}

/** Empty if the SDK gives no context; only the namespace if the caller does not know the workflow. */
function placeOf(context: SerializationContext | undefined): Place {
  if (context === undefined) return [];
  const { namespace, workflowId } = context;
  return workflowId === undefined ? [namespace] : [namespace, workflowId];
}

function notEncrypted(place: Place): PayloadDecryptionError {
  return new PayloadDecryptionError(
    'plain',
    `A payload${place.length === 0 ? '' : ` in ${place.join(', ')}`} is not encrypted, and BELLWETHER_ENCRYPTION_STRICT ` +
      'refuses it: it is older than the encryption, or its sender has no key (the Temporal UI and CLI need the codec ' +
      'endpoint). To accept it, turn strict off until it has been processed.',
  );
}
