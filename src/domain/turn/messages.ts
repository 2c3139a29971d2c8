import type { ChatMessage } from '../../contract/chat';

/** What a message says to a reader: its text, or the text of its parts. */
export function spokenText({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

/** A text that says nothing, as some clients send it for a prompt that nobody wrote: taken, and not sent on. */
export function isEmptyMessage({ role, content, tool_calls }: ChatMessage): boolean {
  return role !== 'user' && role !== 'tool' && content === '' && !tool_calls?.length;
}

/** All of a message that a model reads, by which it is measured: its text, and whatever else it holds as JSON. */
export function measuredText(message: ChatMessage): string {
  const { role: _role, content, ...rest } = message;
  const isPlain = typeof content === 'string' && Object.keys(rest).length === 0;
  return isPlain ? content : JSON.stringify({ content, ...rest });
}

/** Pictures that a message refers to: their tokens do not depend on the length of an address. */
export function imageCount({ content }: ChatMessage): number {
  return typeof content === 'string' ? 0 : (content ?? []).filter(({ type }) => type === 'image_url').length;
}

/** Bytes of a string in UTF-8, without an encoder: the workflow sandbox need not have one. */
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

function isLeadSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isTrailSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
