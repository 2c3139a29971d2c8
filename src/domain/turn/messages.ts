import type { ChatMessage, ContentPart } from '../../contract/chat';
import { fieldsOf } from '../fields-of';

/** The text that a reader sees: a message's text, or the text of its parts. */
export function messageText({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

/**
 * Some clients send an empty message for an unset prompt, or an answer in which the model said nothing: accepted, but not
 * passed on to models. An empty message of a user or a tool says that there is nothing to say.
 */
export function isEmptyMessage({ role, content, tool_calls }: ChatMessage): boolean {
  return role !== 'user' && role !== 'tool' && isBlank(content) && !tool_calls?.length;
}

/** The messages as models take them: without empty ones, and a tool that returned nothing has an empty text. */
export function sendableMessages(messages: readonly ChatMessage[]): ChatMessage[] {
  return messages
    .filter((message) => !isEmptyMessage(message))
    .map((message) =>
      message.role === 'tool' && hasNoContent(message.content) ? { ...message, content: '' } : message,
    );
}

/** Some clients leave the field out instead of sending null, or send a list of no parts. */
export function hasNoContent(content: ChatMessage['content'] | undefined): boolean {
  return content === null || content === undefined || content.length === 0;
}

function isBlank(content: ChatMessage['content'] | undefined): boolean {
  return hasNoContent(content) || (typeof content === 'string' && content.trim() === '');
}

/** Everything of a message that a model reads as text: pictures have a price of their own, whatever their bytes. */
export function promptText(message: ChatMessage): string {
  const { content } = message;
  if (typeof content === 'string' || imageCount(message) === 0) return measuredText(message);
  return measuredText({ ...message, content: (content ?? []).map(withoutPicture) });
}

/** UTF-8 bytes of the parts of one message, without inline images: those of a plain text, or of the JSON of any other part. */
export function partsLength(parts: readonly ContentPart[]): number {
  return parts.reduce((bytes, part) => bytes + utf8Length(partText(part)), 0);
}

function partText(part: ContentPart): string {
  const { type, text, ...rest } = part;
  const isPlain = type === 'text' && typeof text === 'string' && Object.keys(rest).length === 0;
  return isPlain ? text : JSON.stringify(withoutPicture(part));
}

/** The address of a picture that is elsewhere stays: it may be a text that a model reads. */
function withoutPicture(part: ContentPart): ContentPart {
  const url = imageUrlOf(part);
  const isInline = typeof url === 'string' && url.startsWith('data:');
  return part.type === 'image_url' && isInline
    ? { ...part, image_url: { ...fieldsOf(part['image_url']), url: 'data:' } }
    : part;
}

/** What a client gave as the address of a part's picture: anything. */
export function imageUrlOf(part: ContentPart): unknown {
  return fieldsOf(part['image_url'])['url'];
}

/** All of a message that Temporal carries, for measuring: its text, or JSON if it has more than text. */
export function measuredText(message: ChatMessage): string {
  const { role: _role, content, ...rest } = message;
  const isPlain = typeof content === 'string' && Object.keys(rest).length === 0;
  return isPlain ? content : JSON.stringify({ content, ...rest });
}

/** UTF-8 bytes of the same as Temporal carries it: a control character takes six bytes there. */
export function bytesAsJson(message: ChatMessage): number {
  const text = measuredText(message);
  // Without the quotation marks, of which there are two for every text.
  return text === message.content ? utf8Length(JSON.stringify(text)) - 2 : utf8Length(text);
}

/** Number of images in a message: their token count does not depend on the length of their URLs. */
export function imageCount({ content }: ChatMessage): number {
  return typeof content === 'string' ? 0 : (content ?? []).filter(({ type }) => type === 'image_url').length;
}

/** Length of a string in UTF-8 bytes, computed without an encoder: the workflow sandbox may not have one. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (isLeadSurrogate(unit) && isTrailSurrogate(text.charCodeAt(index + 1))) {
      bytes += 4;
      index += 1;
    } else bytes += 3;
  }
  return bytes;
}

/** As much of the beginning of a text as fits, without half characters. */
export function utf8Prefix(text: string, maxBytes: number): string {
  // No UTF-16 unit takes more than three bytes.
  if (text.length * 3 <= maxBytes) return text;
  let bytes = 0;
  let end = 0;
  while (end < text.length) {
    const codePoint = text.codePointAt(end) ?? 0;
    bytes += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
    if (bytes > maxBytes) break;
    end += codePoint > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

function isLeadSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

export function isTrailSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
