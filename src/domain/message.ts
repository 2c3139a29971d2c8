import type { ChatMessage } from '../contract/chat';

/** What a message says to a reader: its text, or the text of its parts. */
export function spokenText({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => (typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

/** A text that says nothing, as some clients send it for a prompt that nobody wrote: taken, and not sent on. */
export function saysNothing({ role, content, tool_calls }: ChatMessage): boolean {
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
