import type { Answer } from './answer';

/** Chat templates put role and separators around every message, and a turn mark at the end. */
const templateTokensPerMessage = 4;
const templateTokensPerPrompt = 3;

/** A plausible, deterministic count: one token per CJK character, one per four bytes of everything else. */
export function countTokens(text: string): number {
  let cjkCharacters = 0;
  let otherBytes = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x80) otherBytes += 1;
    else if (isCjk(code)) cjkCharacters += 1;
    else otherBytes += code < 0x800 ? 2 : 3;
  }
  return cjkCharacters + Math.ceil(otherBytes / 4);
}

export function countPromptTokens(contents: readonly string[]): number {
  return contents.reduce(
    (sum, content) => sum + countTokens(content) + templateTokensPerMessage,
    templateTokensPerPrompt,
  );
}

/** The longest beginning of the text that has at most `maxTokens`. */
export function truncateToTokens(text: string, maxTokens: number): string {
  if (countTokens(text) <= maxTokens) return text;
  let shortest = 0;
  let longest = text.length;
  while (shortest < longest) {
    const middle = Math.ceil((shortest + longest) / 2);
    if (countTokens(text.slice(0, middle)) <= maxTokens) shortest = middle;
    else longest = middle - 1;
  }
  return text.slice(0, shortest);
}

/** UTF-16 units of CJK punctuation, kana, ideographs, Hangul and full-width forms. */
function isCjk(code: number): boolean {
  return (
    (code >= 0x2e80 && code <= 0x9fff) ||
    (code >= 0xac00 && code <= 0xd7af) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xff00 && code <= 0xffef)
  );
}

/** A few tokens at a time, as providers send them under load. */
const tokensPerPiece = 3;

interface AnswerPiece {
  readonly delta: object;
  /** Tokens that the model has said with this piece. */
  readonly completionTokens: number;
}

/** The deltas of an answer: its text in pieces, or its tool calls, each with its name first and then its arguments. */
export function answerPieces({ content, toolCalls }: Answer): readonly AnswerPiece[] {
  const deltas: { readonly delta: object; readonly said: string }[] = textPieces(content).map((text) => ({
    delta: { content: text },
    said: text,
  }));
  toolCalls.forEach(({ id, type, function: { name, arguments: argumentsJson } }, index) => {
    const opening = { index, id, type, function: { name, arguments: '' } };
    deltas.push({ delta: { tool_calls: [opening] }, said: name });
    for (const text of textPieces(argumentsJson)) {
      deltas.push({ delta: { tool_calls: [{ index, function: { arguments: text } }] }, said: text });
    }
  });
  let said = '';
  return deltas.map((each) => {
    said += each.said;
    return { delta: each.delta, completionTokens: countTokens(said) };
  });
}

/** The text in pieces of a few tokens; no character is parted. */
function textPieces(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length;) {
    // A token has at most four UTF-16 units.
    const next = truncateToTokens(text.slice(start, start + 4 * tokensPerPiece), tokensPerPiece);
    const partsPair = /[\uD800-\uDBFF]$/.test(next);
    const end = start + next.length + (partsPair ? 1 : 0);
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}

type Schema = Readonly<Record<string, unknown>>;

/** JSON that fits the schema as far as it says types, properties and enums; `text` stands wherever a string may. */
export function jsonReply(schema: Schema, text: string): string {
  return JSON.stringify(Object.keys(schema).length === 0 ? { answer: text } : valueFor(schema, text));
}

function valueFor(schema: Schema, text: string): unknown {
  if (Array.isArray(schema['enum'])) return schema['enum'][0] as unknown;
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'object': {
      const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
      return Object.fromEntries(properties.map(([name, property]) => [name, valueFor(property, text)]));
    }
    case 'array':
      return [valueFor((schema['items'] ?? {}) as Schema, text)];
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return text;
  }
}
