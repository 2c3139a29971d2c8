import type { ChatMessage, ContentPart } from '../contract/chat';
import { imageIdIn, type ImageStore } from '../contract/images';
import { imageUrlOf } from '../domain/turn/messages';

/** What stands in the place of a picture of an earlier turn that cannot be shown any more. */
const forgotten: ContentPart = { type: 'text', text: '[An image was here. It is no longer available.]' };

/**
 * Pictures of all calls under way in this process. Each is held four times for a moment: as it was kept, decrypted, as text,
 * and in the request's body.
 */
const maxBytesInUse = 128 * 1024 * 1024;

export type WithImages<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  /** A picture of this turn is gone, or there was no room for it until the deadline. */
  | { readonly kind: 'not-kept' | 'no-room' };

/** Puts pictures back into messages for the time of a call, within a limit on the memory that they take. */
export class ImageMemory {
  private bytesInUse = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly maxBytes: number = maxBytesInUse) {}

  /**
   * Calls `work` with the messages as the provider is to get them. Of earlier turns, as many pictures are shown as a single
   * request may bring, the most recent ones; one that is no longer kept is replaced by words that say so.
   */
  async use<Result>(
    images: ImageStore | undefined,
    { keyId, messages, deadlineAtMs }: ImageUse,
    work: (messages: readonly ChatMessage[]) => Promise<Result>,
  ): Promise<WithImages<Result>> {
    const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
    const ids = new Set(messages.flatMap(idsIn));
    if (ids.size === 0) return { kind: 'done', result: await work(messages) };

    const sizes = images && keyId !== undefined ? await images.sizes(keyId, [...ids]) : new Map<string, number>();
    const idsOfTurn = new Set(messages.slice(lastAnswer + 1).flatMap(idsIn));
    if ([...idsOfTurn].some((id) => !sizes.has(id))) return { kind: 'not-kept' };
    const { shown, bytes } = mostRecent(messages, lastAnswer, sizes, images?.maxBytesOfCall ?? 0);
    if (!(await this.acquire(bytes, deadlineAtMs))) return { kind: 'no-room' };
    try {
      const urls = new Map<string, string>();
      for (const id of shown) {
        const image = images && keyId !== undefined ? await images.read(keyId, id) : null;
        if (image) urls.set(id, `data:${image.mediaType};base64,${Buffer.from(image.bytes).toString('base64')}`);
        else if (idsOfTurn.has(id)) return { kind: 'not-kept' };
      }
      return { kind: 'done', result: await work(messages.map((message) => withUrls(message, urls))) };
    } finally {
      this.release(bytes);
    }
  }

  /** In turn; one that is larger than all there is waits until nothing else is in use. False: not until the deadline. */
  private async acquire(bytes: number, deadlineAtMs: number): Promise<boolean> {
    const fits = (): boolean => this.bytesInUse === 0 || this.bytesInUse + bytes <= this.maxBytes;
    while (!fits()) {
      const isWoken = await this.waitUntil(deadlineAtMs);
      if (!isWoken) return false;
    }
    this.bytesInUse += bytes;
    return true;
  }

  private waitUntil(deadlineAtMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(
        () => {
          this.waiting.splice(this.waiting.indexOf(wake), 1);
          resolve(false);
        },
        Math.max(0, deadlineAtMs - Date.now()),
      );
      this.waiting.push(wake);
    });
  }

  private release(bytes: number): void {
    this.bytesInUse -= bytes;
    for (const wake of this.waiting.splice(0)) wake();
  }
}

interface ImageUse {
  readonly keyId?: string | undefined;
  readonly messages: readonly ChatMessage[];
  readonly deadlineAtMs: number;
}

/** All pictures of this turn, and of earlier ones the most recent, as long as they fit one request together. */
function mostRecent(
  messages: readonly ChatMessage[],
  lastAnswer: number,
  sizes: ReadonlyMap<string, number>,
  maxBytes: number,
): { readonly shown: ReadonlySet<string>; readonly bytes: number } {
  const shown = new Set<string>();
  let bytes = 0;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    for (const id of idsIn(messages[index]!)) {
      const size = sizes.get(id);
      if (size === undefined || shown.has(id)) continue;
      if (index < lastAnswer && bytes + size > maxBytes) continue;
      shown.add(id);
      bytes += size;
    }
  }
  return { shown, bytes };
}

function idsIn({ content }: ChatMessage): readonly string[] {
  if (typeof content === 'string' || content === null) return [];
  return content.flatMap((part) => idOf(part) ?? []);
}

function idOf(part: ContentPart): string | null {
  return part.type === 'image_url' ? imageIdIn(imageUrlOf(part)) : null;
}

function withUrls(message: ChatMessage, urls: ReadonlyMap<string, string>): ChatMessage {
  const { content } = message;
  if (typeof content === 'string' || content === null || idsIn(message).length === 0) return message;
  const parts = content.map((part): ContentPart => {
    const id = idOf(part);
    if (id === null) return part;
    const url = urls.get(id);
    return url === undefined ? forgotten : { ...part, image_url: { ...(part['image_url'] as object), url } };
  });
  return { ...message, content: parts };
}
