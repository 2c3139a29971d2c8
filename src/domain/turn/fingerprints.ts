import type { ChatMessage, ContentPart } from '../../contract/chat';
import { imageIdIn } from '../../contract/images';
import { imageUrlOf, messageText } from './messages';

export interface Fingerprint {
  /** Equal for messages with the same content. */
  readonly print: string;
  /** The number of messages up to its end. */
  readonly end: number;
}

/**
 * A history in the form in which it is compared. Clients change messages when they send them again, and these changes
 * make no difference: white space, a model's thoughts, the web addresses of images, the ids of tool calls, documents put
 * around a question, and a reply split in two. System prompts do not count, because they change with the time of day.
 * This runs in a workflow, so it visits each character once.
 */
export function fingerprints(messages: readonly ChatMessage[]): readonly Fingerprint[] {
  const found: Fingerprint[] = [];
  let said: TextHash | null = null;
  for (const [index, message] of messages.entries()) {
    const { role, content, tool_calls, tool_call_id: _id } = message;
    if (role === 'system' || role === 'developer') continue;
    const end = index + 1;
    const isPlain = role === 'assistant' && !tool_calls?.length;
    const text = comparedText(message);
    if (isPlain && text.trim() === '') continue;

    const isContinued: boolean = isPlain && said !== null;
    const hash: TextHash = isContinued && said !== null ? said : new TextHash();
    hash.add(text);
    for (const call of tool_calls ?? []) hash.add(calledFunction(call['function']));
    if (Array.isArray(content)) hash.add((content as readonly ContentPart[]).map(comparedImage).join(''));
    const print = `${kindOf(message)}${hash.value()}`;
    const isRepeated = isCall(print) && found.at(-1)?.print === print;
    if (isContinued || isRepeated) found.pop();
    found.push({ print, end });
    said = isPlain ? hash : null;
  }
  return found;
}

/** Whether a fingerprint is that of a message that calls tools: clients send such a message again with the results. */
export function isCall(print: string): boolean {
  return print.startsWith('c');
}

export function textFingerprint(text: string): string {
  const hash = new TextHash();
  hash.add(text);
  return hash.value();
}

function kindOf({ role, tool_calls }: ChatMessage): 'u' | 'a' | 'c' | 't' {
  if (role === 'tool') return 't';
  if (role !== 'assistant') return 'u';
  return tool_calls?.length ? 'c' : 'a';
}

function comparedText(message: ChatMessage): string {
  const text = textOf(message);
  if (message.role === 'user') return questionIn(text);
  return message.role === 'assistant' ? withoutThoughts(text) : text;
}

function textOf({ content }: ChatMessage): string {
  if (!Array.isArray(content)) return (content as string | null) ?? '';
  return (content as readonly ContentPart[])
    .map(({ text, refusal }) => [text, refusal].filter((each) => typeof each === 'string').join(''))
    .join('');
}

/**
 * The beginning of the text that Open WebUI puts around a user's question when it has found documents or web pages for
 * it.
 */
export const documentsBeginning = /^### Task:\s{0,4}Respond to the user query/;

/** Open WebUI puts the documents that it found around a question; from the next turn on, it sends only the question. */
export function questionIn(text: string): string {
  if (!documentsBeginning.test(text)) return text;
  const contextEnd = '</context>';
  const behind = text.lastIndexOf(contextEnd);
  if (behind === -1) return text;
  const question = text.slice(behind + contextEnd.length);
  if (question.trim() !== '') return (between(question, '<user_query>', '</user_query>') ?? question).trim();
  return between(text, '<user_query>', '</user_query>') ?? text;
}

/** The text of the last message of a user, without documents around it; '' if there is none. */
export function questionOf(messages: readonly ChatMessage[]): string {
  const message = messages.findLast(({ role }) => role === 'user');
  return message === undefined ? '' : questionIn(messageText(message));
}

function between(text: string, opening: string, closing: string): string | null {
  const start = text.lastIndexOf(opening);
  const end = text.lastIndexOf(closing);
  return start === -1 || end < start ? null : text.slice(start + opening.length, end);
}

/** Models without a separate field for thoughts write them like this, and applications hide them. */
export function withoutThoughts(text: string): string {
  const begun = text.trimStart();
  if (!begun.startsWith('<think>')) return text;
  const end = begun.indexOf('</think>');
  return end === -1 ? text : begun.slice(end + '</think>'.length);
}

function calledFunction(called: unknown): string {
  const { name, arguments: given } = (called ?? {}) as { readonly name?: unknown; readonly arguments?: unknown };
  return `\0${String(name)}\0${String(given)}`;
}

/** An inline image is identified by its hash. Web addresses are ignored, because each request may sign them again. */
function comparedImage(part: ContentPart): string {
  return part.type === 'image_url' ? `\0${imageIdIn(imageUrlOf(part)) ?? ''}` : '';
}

/** A 53-bit hash of a text. A client that makes two texts collide only confuses its own conversation. */
class TextHash {
  private low = 0xdeadbeef;
  private high = 0x41c6ce57;

  add(text: string): void {
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index);
      if (isWhiteSpace(unit)) continue;
      this.low = Math.imul(this.low ^ unit, 2_654_435_761);
      this.high = Math.imul(this.high ^ unit, 1_597_334_677);
    }
  }

  value(): string {
    const low = mix(this.low, this.high);
    const high = mix(this.high, this.low);
    return (4_294_967_296 * (2_097_151 & high) + (low >>> 0)).toString(36);
  }
}

function mix(one: number, other: number): number {
  return Math.imul(one ^ (one >>> 16), 2_246_822_507) ^ Math.imul(other ^ (other >>> 13), 3_266_489_909);
}

/** NUL does not count, because it separates the text from what is hashed with it. */
function isWhiteSpace(unit: number): boolean {
  return (unit > 0 && unit <= 0x20) || unit === 0xa0 || unit === 0x200b || unit === 0x3000 || unit === 0xfeff;
}
