import { fieldsOf } from '../domain/fields-of';

/** The content of a message or delta: a text, or parts with text and thoughts, as Mistral sends them. */
export interface Content {
  /** null if the content is missing: the message may consist of tool calls. */
  readonly text: string | null;
  readonly thoughts: string | null;
}

/** null if it cannot be read, because the answer would be incomplete. */
export function readContent(content: unknown): Content | null {
  if (content === undefined || content === null) return { text: null, thoughts: null };
  if (typeof content === 'string') return { text: content, thoughts: null };
  if (typeof content !== 'object') return null;
  const parts = Array.isArray(content) ? (content as readonly unknown[]) : [content];
  let text: string | null = null;
  let thoughts: string | null = null;
  for (const part of parts) {
    const { type, thinking, reasoning } = fieldsOf(part);
    if (type === 'thinking' || type === 'reasoning') {
      thoughts = (thoughts ?? '') + textOf(thinking ?? reasoning ?? fieldsOf(part)['text']);
    } else text = (text ?? '') + textOf(part);
  }
  return { text, thoughts };
}

/** The text of a part, a list of parts or a plain string; '' if there is none. */
function textOf(value: unknown): string {
  const parts = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  return parts
    .map((part) => (typeof part === 'string' ? part : fieldsOf(part)['text']))
    .filter((text) => typeof text === 'string')
    .join('');
}
