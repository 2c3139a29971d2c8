/**
 * Pictures on their way from a client to a model. Their bytes would not fit Temporal's payloads, so messages hold references
 * to them, and the worker puts the pictures back into the request of its provider.
 */

/** Begins the URL of a picture that is kept: `bellwether-image:sha256-9f86d0…`. */
export const imageScheme = 'bellwether-image:';

/** The id of the picture that a URL refers to; null for any other URL. */
export function imageIdIn(url: unknown): string | null {
  return typeof url === 'string' && url.startsWith(imageScheme) ? url.slice(imageScheme.length) : null;
}

export interface Image {
  /** `image/png`. */
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** `id` is a hash of the picture, so that one that comes again, with every turn of a chat, is kept once. */
export interface IdentifiedImage extends Image {
  readonly id: string;
}

/**
 * Keeps pictures by API key and id: no key can refer to another one's. A picture stays for `keptForMs` after its last use,
 * and of each key the most recent ones stay, up to `maxBytesOfKey`.
 */
export interface ImageStore {
  /** Of the pictures of one call, those of earlier turns too: what one request may bring. Providers take 20 to 50 MB. */
  readonly maxBytesOfCall: number;
  keep(keyId: string, images: readonly IdentifiedImage[]): Promise<void>;
  /** The sizes in bytes of those that are kept. They count as used. */
  sizes(keyId: string, ids: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** null for one that is not kept. */
  read(keyId: string, id: string): Promise<Image | null>;
}

/** A conversation ends a day after its last message; three days leave room for those that are kept open longer. */
export const keptForMs = 3 * 24 * 60 * 60 * 1000;

/** Fifty of the largest requests. */
export const maxBytesOfKey = 1024 * 1024 * 1024;

/** A picture as the ledger's database has it: its bytes say nothing to whoever reads them there if payloads are encrypted. */
export interface StoredImage {
  readonly id: string;
  /** Of the picture itself. */
  readonly size: number;
  readonly data: Uint8Array;
}

/** The table behind an `ImageStore`. */
export interface StoredImages {
  /** Counts those that are kept as used, and returns their sizes. */
  use(keyId: string, ids: readonly string[], nowMs: number): Promise<ReadonlyMap<string, number>>;
  add(keyId: string, image: StoredImage, nowMs: number): Promise<void>;
  read(keyId: string, id: string): Promise<Uint8Array | null>;
  /** Deletes what nobody has used for long. Returns how many there were. */
  prune(nowMs: number): Promise<number>;
}
