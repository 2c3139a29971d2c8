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
  for (const { holder, field, url, path } of pictureUrls(body)) {
    if (imageIdIn(url) !== null)
      throw wrongImage(path, `must be a data URL or an address of the web, not ${imageScheme}`);
    if (!/^data:/i.test(url.slice(0, 5))) continue;
    const taken = readDataUrl(path, url);
    holder[field] = imageScheme + taken.id;
    list.push(taken);
    textBytes += url.length;
    if (list.length > limits.maxImages) {
      throw wrongField({
        path: path.slice(0, 1),
        code: 'too-many',
        message: `has more than ${limits.maxImages} pictures, the limit`,
        limit: limits.maxImages,
      });
    }
  }
  return { list, textBytes };
}

interface PictureUrl {
  readonly holder: Record<string, unknown>;
  readonly field: string;
  readonly url: string;
  readonly path: ProblemPath;
}

/** Where chat completions have pictures, and where the items of responses do. */
function* pictureUrls(body: unknown): Generator<PictureUrl> {
  for (const { content, path } of partsOf(body)) {
    const part = fieldsOf(content);
    const isItem = part['type'] === 'input_image';
    if (!isItem && part['type'] !== 'image_url') continue;
    const holder = (isItem ? part : fieldsOf(part['image_url'])) as Record<string, unknown>;
    const field = isItem ? 'image_url' : 'url';
    const url = holder[field];
    const inside = isItem ? ['image_url'] : ['image_url', 'url'];
    if (typeof url === 'string') yield { holder, field, url, path: [...path, ...inside] };
  }
}

function* partsOf(body: unknown): Generator<{ readonly content: unknown; readonly path: ProblemPath }> {
  for (const list of ['messages', 'input']) {
    for (const [index, message] of entriesOf(fieldsOf(body)[list])) {
      for (const field of ['content', 'output']) {
        for (const [part, content] of entriesOf(fieldsOf(message)[field])) {
          yield { content, path: [list, index, field, part] };
        }
      }
    }
  }
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
