import { temporal } from '@temporalio/proto';
import type { Settings } from '../config/settings';
import type { IdentifiedImage, Image, ImageStore, StoredImages } from '../contract/images';
import { createPayloadCipher, type Place } from '../encryption/aes-gcm-codec';

const { Payload } = temporal.api.common.v1;
const mediaTypeMetadata = 'media-type';
const utf8 = new TextEncoder();

/**
 * Images in the ledger's database, encrypted like payloads: with the same keys, which rotate in the same way, and bound to
 * their place in the table.
 */
export function openImageStore(
  table: StoredImages,
  { encryption, gateway }: Pick<Settings, 'encryption' | 'gateway'>,
): ImageStore {
  const cipher = encryption && createPayloadCipher(encryption);

  function encode(keyId: string, { id, mediaType, bytes }: IdentifiedImage): Uint8Array {
    const payload = { metadata: { [mediaTypeMetadata]: utf8.encode(mediaType) }, data: bytes };
    return Payload.encode(cipher?.encrypt(payload, placeOf(keyId, id)) ?? payload).finish();
  }

  function decode(keyId: string, id: string, stored: Uint8Array): Image {
    const payload = Payload.decode(stored);
    const decoded = cipher?.decrypt(payload, placeOf(keyId, id)) ?? payload;
    const mediaType = decoded.metadata?.[mediaTypeMetadata];
    if (!mediaType || !decoded.data) {
      throw new Error(
        'A picture is encrypted with a key that is not configured here: give all processes the same keys.',
      );
    }
    return { mediaType: Buffer.from(mediaType).toString(), bytes: decoded.data };
  }

  return {
    // In base64 they are a third longer.
    maxBytesOfCall: Math.ceil((gateway.maxBodyBytes * 3) / 4),
    async keep(keyId: string, images: readonly IdentifiedImage[]): Promise<void> {
      const nowMs = Date.now();
      const byId = new Map(images.map((image) => [image.id, image]));
      const known = await table.use(keyId, [...byId.keys()], nowMs);
      for (const image of byId.values()) {
        if (known.has(image.id)) continue;
        const stored = { id: image.id, size: image.bytes.length, data: encode(keyId, image) };
        // One transaction each: a database takes tens of milliseconds for a large one, and others wait for it.
        await table.add(keyId, stored, nowMs);
      }
    },
    sizes: (keyId, ids) => table.use(keyId, ids, Date.now()),
    async read(keyId: string, id: string): Promise<Image | null> {
      const stored = await table.read(keyId, id);
      return stored === null ? null : decode(keyId, id, stored);
    },
  };
}

function placeOf(keyId: string, id: string): Place {
  return ['images', keyId, id];
}
