import type { ChatMessage } from '../../contract/chat';
import { utf8Length } from './messages';

/** A text and its offset in the turn's answer, in UTF-16 code units. */
export interface PlacedText {
  readonly at: number;
  readonly text: string;
}

/**
 * When the new text shares at least this long a prefix with the partial answer before it differs, the model has started
 * over. In UTF-8 bytes, so that four Chinese characters weigh as much as twelve letters. If this is too low, a
 * continuation that happens to start with the same words as the answer is mistaken for a restart: the caller sees an error.
 * If it is too high, a restart is sent as if it were a continuation: the caller sees a wrong text, which is worse.
 */
const restartPrefixBytes = 12;

type Relation = 'undecided' | 'repeats' | 'restarts' | 'continues';

/**
 * Places the text of a model that was asked to continue a partial answer. Some models continue, some repeat everything,
 * some start a different answer; until it is clear which, the text is held back. The first piece is always at 0 and, if the
 * model continues, starts with the partial answer: readers that have it skip it, readers that lost it get it again.
 */
export class Continuation {
  private received = '';
  private relation: Relation = 'undecided';
  /** The answer so far, once the relation is decided. */
  private answer = '';

  constructor(private readonly partial: string) {}

  /** Code units passed to `take` so far. */
  get takenLength(): number {
    return this.received.length;
  }

  /** Returns the text that can be sent now, or null. */
  take(text: string): PlacedText | null {
    this.received += text;
    if (this.relation !== 'undecided') return this.place(text);
    return this.decide(relationOf(this.partial, this.received));
  }

  /** The whole answer, and the part of it that was still held back. */
  finish(): { readonly content: string; readonly rest: PlacedText | null } {
    const rest = this.relation === 'undecided' ? this.decide(finalRelation(this.partial, this.received)) : null;
    return { content: this.answer, rest };
  }

  private decide(relation: Relation): PlacedText | null {
    this.relation = relation;
    if (relation === 'undecided') return null;
    return this.place(
      relation === 'continues' ? this.partial + this.received : comparable(this.partial, this.received),
    );
  }

  private place(text: string): PlacedText | null {
    const at = this.answer.length;
    this.answer += text;
    return text === '' ? null : { at, text };
  }
}

function relationOf(partial: string, received: string): Relation {
  const text = comparable(partial, received);
  if (text.startsWith(partial)) return 'repeats';
  if (partial.startsWith(text)) return 'undecided';
  return finalRelation(partial, received);
}

function finalRelation(partial: string, received: string): Relation {
  const shared = commonPrefix(partial, comparable(partial, received));
  return utf8Length(shared) >= restartPrefixBytes ? 'restarts' : 'continues';
}

/** Models that repeat the answer often start with a line break. */
function comparable(partial: string, received: string): string {
  return /^\S/.test(partial) ? received.trimStart() : received;
}

function commonPrefix(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return one.slice(0, length);
}

const instruction =
  'Your last message below broke off while it was being sent, and the user has already read what it holds. Write only what follows it, from the very next character: repeat none of it, do not begin anew, and do not mention the interruption.';

/**
 * The messages of a call that continues an interrupted answer. The partial answer comes last, as the assistant's own
 * message, for models that continue from there. The instruction is needed because many APIs treat that message as finished,
 * and the model would start a new one. It is appended to the system prompt if there is one: some models accept only one.
 */
export function withPrefill(messages: readonly ChatMessage[], partial: string): readonly ChatMessage[] {
  const [first, ...others] = messages;
  const system = first?.role === 'system' || first?.role === 'developer' ? first : null;
  const instructed: ChatMessage = system
    ? { ...system, content: withInstruction(system.content) }
    : { role: 'system', content: instruction };
  return [instructed, ...(system ? others : messages), { role: 'assistant', content: partial }];
}

function withInstruction(content: ChatMessage['content']): ChatMessage['content'] {
  if (content === null) return instruction;
  if (typeof content === 'string') return `${content}\n\n${instruction}`;
  return [...content, { type: 'text', text: instruction }];
}
