import { createHash } from 'node:crypto';
import { imageIdIn, type IdentifiedImage, imageScheme, type ImageStore } from '../contract/images';
import { limits } from '../contract/limits';
import type { ProblemPath } from '../contract/problem';
import { fieldsOf } from '../domain/fields-of';
import { wrongField } from './gateway-error';

/** The pictures of one request, until they are kept. */
export class RequestImages {
  /** @param release called when their memory is free again */
  constructor(
    private list: readonly IdentifiedImage[],
    private readonly release: () => void,
  ) {}

  /** The request lives as long as its turn, and their bytes no longer than this. */
  async keepIn(store: Pick<ImageStore, 'keep'>, keyId: string): Promise<void> {
    try {
      await store.keep(keyId, this.list);
    } finally {
      this.list = [];
      this.release();
    }
  }
}

export interface TakenImages {
  readonly list: readonly IdentifiedImage[];
  /** How much of the body's text they were. */
  readonly textBytes: number;
}

/**
 * Takes the pictures out of a body, which nobody has checked yet, and puts references to them in their place: their bytes go
 * neither through the schema nor through Temporal. @throws {GatewayError}
 */
export function takeImages(body: unknown): TakenImages {
  const list: IdentifiedImage[] = [];
  let textBytes = 0;
  for (const [index, message] of entriesOf(fieldsOf(body)['messages'])) {
    for (const [part, content] of entriesOf(fieldsOf(message)['content'])) {
      const { type, image_url: image } = fieldsOf(content);
      const { url } = fieldsOf(image);
      if (type !== 'image_url' || typeof url !== 'string') continue;
      const path = ['messages', index, 'content', part, 'image_url', 'url'];
      if (imageIdIn(url) !== null)
        throw wrongImage(path, `must be a data URL or an address of the web, not ${imageScheme}`);
      if (!/^data:/i.test(url.slice(0, 5))) continue;
      const taken = readDataUrl(path, url);
      (image as { url: string }).url = imageScheme + taken.id;
      list.push(taken);
      textBytes += url.length;
      if (list.length > limits.maxImages) {
        throw wrongField({
          path: ['messages'],
          code: 'too-many',
          message: `have more than ${limits.maxImages} pictures, the limit`,
          limit: limits.maxImages,
        });
      }
    }
  }
  return { list, textBytes };
}

/** A media type with parameters, and no more. */
const maxHeadLength = 200;

function readDataUrl(path: ProblemPath, url: string): IdentifiedImage {
  const comma = url.slice(0, maxHeadLength).indexOf(',');
  const head = comma === -1 ? '' : url.slice(0, comma).toLowerCase();
  const [mediaType = '', ...parameters] = head.slice('data:'.length).split(';');
  if (!/^image\/[a-z0-9.+-]+$/.test(mediaType) || parameters.at(-1) !== 'base64') {
    throw wrongImage(path, 'must be a data URL of an image in base64: data:image/png;base64,…');
  }
  const encodedLength = url.length - comma - 1;
  const bytes = Buffer.from(url.slice(comma + 1), 'base64');
  if (bytes.length === 0 || bytes.length < encodedLength * leastYield) {
    throw wrongImage(path, 'is not in base64');
  }
  const id = `sha256-${createHash('sha256').update(`${mediaType}\n`).update(bytes).digest('hex')}`;
  return { id, mediaType, bytes };
}

/** Three bytes of four characters, of which a few may be line breaks or padding; Node skips whatever is no base64. */
const leastYield = 0.7;

function wrongImage(path: ProblemPath, message: string) {
  return wrongField({ path, code: 'wrong-value', message });
}

function entriesOf(value: unknown): Iterable<readonly [number, unknown]> {
  return Array.isArray(value) ? value.entries() : [];
}
