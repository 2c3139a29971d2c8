import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import type { EncryptionSettings } from '../config/settings';

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

const cipherName = 'aes-256-gcm';
const keyBytes = 32;
/** 96 bits, the length for which GCM uses the vector as it is (NIST SP 800-38D, 8.2). */
const vectorBytes = 12;
const tagBytes = 16;

/** The name that Temporal's own samples and tools give to encrypted payloads. */
const encryptedEncoding = 'binary/encrypted';
const keyIdMetadata = 'encryption-key-id';

const utf8 = new TextEncoder();

/** What the tag vouches for besides the text: the format and the key id, so that neither can be swapped. */
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

function decrypt(data: Uint8Array, keyId: string, key: Uint8Array): Payload {
  const decipher = createDecipheriv(cipherName, key, data.subarray(0, vectorBytes), { authTagLength: tagBytes });
  decipher.setAAD(additionalData(keyId));
  decipher.setAuthTag(data.subarray(data.length - tagBytes));
  let text: Buffer;
  try {
    text = Buffer.concat([decipher.update(data.subarray(vectorBytes, data.length - tagBytes)), decipher.final()]);
  } catch {
    // OpenSSL says only "unable to authenticate"; the reasons it can have are these two.
    throw new PayloadDecryptionError(
      'tampered',
      `A payload says that key "${keyId}" encrypted it, and that key does not open it: either the configured key of ` +
        `that id is another one than at the time, or the stored data was changed. Compare the key with the one in ` +
        `your secret store; if it is the same, restore the data from a backup.`,
    );
  }
  return temporal.api.common.v1.Payload.decode(text);
}

function checkSettings({ activeKeyId, keys }: EncryptionSettings): Uint8Array {
  for (const [keyId, key] of keys) {
    if (key.length !== keyBytes) {
      throw new RangeError(
        `Encryption key "${keyId}" has ${key.length} bytes and AES-256 needs ${keyBytes}: make one with ` +
          `\`openssl rand -base64 ${keyBytes}\`.`,
      );
    }
  }
  const activeKey = keys.get(activeKeyId);
  if (activeKey === undefined) {
    throw new RangeError(
      `The active encryption key is "${activeKeyId}", but no key of that id is configured (configured: ` +
        `${[...keys.keys()].join(', ') || 'none'}). Add the key, or name one of these as active.`,
    );
  }
  return activeKey;
}

/**
 * Encrypts Temporal payloads with AES-256-GCM. `data` of an encrypted payload is vector (12 bytes) ‖ ciphertext ‖ tag
 * (16 bytes), where the ciphertext holds the whole payload, its metadata included; the id of the key stands beside it.
 * Vectors are random, so a key is good for 2^32 payloads (NIST SP 800-38D, 8.3): rotate it well before.
 *
 * Decoding takes any configured key and lets payloads that are not encrypted through, so that keys can rotate and
 * encryption can be turned on while workflows run.
 *
 * @throws RangeError when a key has not 32 bytes or the active one is missing. `decode` throws PayloadDecryptionError.
 */
export function createPayloadCodec(settings: EncryptionSettings): PayloadCodec {
  const activeKey = checkSettings(settings);

  function open(payload: Payload): Payload {
    const { metadata, data } = payload;
    if (metadata?.encoding === undefined || Buffer.from(metadata.encoding).toString() !== encryptedEncoding) {
      return payload;
    }
    const keyIdBytes = metadata[keyIdMetadata];
    if (keyIdBytes === undefined || !data || data.length < vectorBytes + tagBytes) {
      throw new PayloadDecryptionError(
        'malformed',
        `An encrypted payload has no ${keyIdBytes === undefined ? `"${keyIdMetadata}" metadata` : 'complete data'}: ` +
          `another codec wrote it, or it was cut short. Every client and worker of a namespace needs the same codec.`,
      );
    }
    const keyId = Buffer.from(keyIdBytes).toString();
    const key = settings.keys.get(keyId);
    if (key === undefined) {
      throw new PayloadDecryptionError(
        'unknown-key',
        `A payload is encrypted with key ${JSON.stringify(keyId)}, which is not configured here. Add that key beside ` +
          `the active one and keep it until no workflow of its time is left in Temporal's retention.`,
      );
    }
    return decrypt(data, keyId, key);
  }

  return {
    encode: async (payloads) => payloads.map((payload) => encrypt(payload, settings.activeKeyId, activeKey)),
    decode: async (payloads) => payloads.map(open),
  };
}
