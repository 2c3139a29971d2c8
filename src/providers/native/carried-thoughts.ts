import type { ChatMessage, ToolCall } from '../../contract/chat';
import { fieldsOf } from '../../domain/fields-of';

/** One of the thoughts that led to tool calls. The model gets it back with the calls, exactly as it came. */
export interface CarriedThought {
  readonly text: string;
  /** The provider's proof that the thought is its model's own. */
  readonly signature?: string;
  /** The thought itself, readable only by the provider. */
  readonly redacted?: string;
  /** The provider's own id of it. */
  readonly id?: string;
}

/** The field of a tool call in which Google's OpenAI-compatible API has its thought signatures, and we have all of them. */
const field = 'extra_content';

/** What one answer may carry. An answer with more is passed on without: the model then does not think on. */
const maxCarriedBytes = 64 * 1024;

/** More thoughts than one answer has. */
const maxCarriedThoughts = 100;

/** The thoughts of an answer while it comes. Of thoughts that are too large to carry nothing is kept. */
export class ThoughtsToCarry {
  private readonly thoughts = new Map<string, { text: string; kept: Omit<CarriedThought, 'text'> }>();
  private keptLength = 0;
  private isTooLarge = false;

  add(id: string, text: string, kept: Omit<CarriedThought, 'text'> = {}): void {
    if (this.isTooLarge) return;
    const thought = this.thoughts.get(id) ?? { text: '', kept: {} };
    const changed = { text: thought.text + text, kept: { ...thought.kept, ...kept } };
    this.thoughts.set(id, changed);
    this.keptLength += lengthOf(changed) - lengthOf(thought);
    this.isTooLarge = this.keptLength > maxCarriedBytes || this.thoughts.size > maxCarriedThoughts;
    if (this.isTooLarge) this.thoughts.clear();
  }

  get size(): number {
    return this.thoughts.size;
  }

  /** Those that the provider can prove to be its own. */
  carried(): readonly CarriedThought[] {
    return [...this.thoughts.values()]
      .filter(({ kept }) => kept.signature !== undefined || kept.redacted !== undefined)
      .map(({ text, kept }) => ({ text, ...kept }));
  }
}

function lengthOf({ text, kept }: { readonly text: string; readonly kept: Omit<CarriedThought, 'text'> }): number {
  return text.length + Object.values(kept).reduce((length, value) => length + value.length, 0);
}

/** The calls with the thoughts in the first of them. */
export function withThoughts(
  name: string,
  calls: readonly ToolCall[],
  thoughts: readonly CarriedThought[],
): readonly ToolCall[] {
  const [first, ...others] = calls;
  if (first === undefined || thoughts.length === 0) return calls;
  const carried = { [name]: { thoughts } };
  if (thoughts.length > maxCarriedThoughts || Buffer.byteLength(JSON.stringify(carried)) > maxCarriedBytes)
    return calls;
  return [{ ...first, [field]: { ...fieldsOf(first[field]), ...carried } }, ...others];
}

/** Fields of one call. More than one answer may carry is left out. */
export function carriedInCall(name: string, fields: Readonly<Record<string, string>>): Record<string, unknown> {
  return Buffer.byteLength(JSON.stringify(fields)) > maxCarriedBytes ? {} : { [field]: { [name]: fields } };
}

export function fieldsInCall(name: string, call: ToolCall): Readonly<Record<string, unknown>> {
  return fieldsOf(fieldsOf(call[field])[name]);
}

/** The thoughts in a message of the history. Callers send the history, so nothing in it is taken for granted. */
export function thoughtsIn(name: string, calls: readonly ToolCall[]): readonly CarriedThought[] {
  const { thoughts } = fieldsOf(fieldsOf(calls[0]?.[field])[name]);
  if (!Array.isArray(thoughts)) return [];
  const read = thoughts.slice(0, maxCarriedThoughts).map(readThought);
  return read.every((thought) => thought !== null) ? read : [];
}

function readThought(value: unknown): CarriedThought | null {
  const { text, signature, redacted, id } = fieldsOf(value);
  if (typeof text !== 'string') return null;
  if (typeof signature !== 'string' && typeof redacted !== 'string') return null;
  return {
    text,
    ...(typeof signature === 'string' && { signature }),
    ...(typeof redacted === 'string' && { redacted }),
    ...(typeof id === 'string' && { id }),
  };
}

/** Strict providers refuse fields that they do not know, and only Google's models read this one. */
export function withoutCarried(message: ChatMessage, model: string): ChatMessage {
  const calls = message.tool_calls;
  if (calls === undefined || !calls.some((call) => field in call) || /gemini/i.test(model)) return message;
  return { ...message, tool_calls: calls.map(({ [field]: _carried, ...call }) => call as ToolCall) };
}
