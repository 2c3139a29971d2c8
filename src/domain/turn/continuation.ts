import type { ChatMessage } from '../../contract/chat';
import { utf8Length } from './messages';

/** Text and where in the turn's answer it stands, in UTF-16 code units. */
export interface PlacedText {
  readonly at: number;
  readonly text: string;
}

/**
 * A new text that begins like the old one for this long begins anew, and then says something else. In UTF-8 bytes, which
 * weigh four Chinese characters like twelve letters. Too low, and a continuation whose first words happen to be those of
 * the answer is taken for another answer: the caller sees an error. Too high, and a repetition is sent as if it were a
 * continuation: the caller sees a wrong text, which is worse.
 */
const clearBeginningBytes = 12;

type Relation = 'undecided' | 'restates' | 'anew' | 'goes-on';

/**
 * What a model says that was asked to go on from `begun`, put in its place in the answer. Some models go on, some say it
 * all again, some begin another answer; until it is clear which, the text is held back. Then it begins at 0 in any case,
 * with `begun` where the model goes on: whoever knows that swallows it, and whoever lost it gets it again.
 */
export class Continuation {
  private said = '';
  private relation: Relation = 'undecided';
  /** The answer that is made so far, once the relation is decided. */
  private answer = '';

  constructor(private readonly begun: string) {}

  /** Code units of what was taken. */
  get takenLength(): number {
    return this.said.length;
  }

  /** Returns what has become certain, null while nothing new has. */
  take(text: string): PlacedText | null {
    this.said += text;
    if (this.relation !== 'undecided') return this.place(text);
    return this.decide(relationOf(this.begun, this.said));
  }

  /** The whole answer, and what was still held back of it. */
  finish(): { readonly content: string; readonly rest: PlacedText | null } {
    const rest = this.relation === 'undecided' ? this.decide(relationAtTheEnd(this.begun, this.said)) : null;
    return { content: this.answer, rest };
  }

  private decide(relation: Relation): PlacedText | null {
    this.relation = relation;
    if (relation === 'undecided') return null;
    return this.place(relation === 'goes-on' ? this.begun + this.said : comparable(this.begun, this.said));
  }

  private place(text: string): PlacedText | null {
    const at = this.answer.length;
    this.answer += text;
    return text === '' ? null : { at, text };
  }
}

function relationOf(begun: string, said: string): Relation {
  const text = comparable(begun, said);
  if (text.startsWith(begun)) return 'restates';
  if (begun.startsWith(text)) return 'undecided';
  return relationAtTheEnd(begun, said);
}

function relationAtTheEnd(begun: string, said: string): Relation {
  const shared = sharedBeginning(begun, comparable(begun, said));
  return utf8Length(shared) >= clearBeginningBytes ? 'anew' : 'goes-on';
}

/** Models that say it all again like to begin on a new line. */
function comparable(begun: string, said: string): string {
  return /^\S/.test(begun) ? said.trimStart() : said;
}

function sharedBeginning(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return one.slice(0, length);
}

const instruction =
  'Your last message below broke off while it was being sent, and the user has already read what it holds. Write only what follows it, from the very next character: repeat none of it, do not begin anew, and do not mention the interruption.';

/**
 * The messages of a call that goes on from an answer which broke off. The answer is put last, as the assistant's own
 * message, for models that go on from there; and the instruction says so, because behind many interfaces that message
 * counts as finished, and the model would begin another one. It is part of the system prompt where there is one: some
 * models take no second.
 */
export function withPrefill(messages: readonly ChatMessage[], begun: string): readonly ChatMessage[] {
  const [first, ...others] = messages;
  const system = first?.role === 'system' || first?.role === 'developer' ? first : null;
  const instructed: ChatMessage = system
    ? { ...system, content: withInstruction(system.content) }
    : { role: 'system', content: instruction };
  return [instructed, ...(system ? others : messages), { role: 'assistant', content: begun }];
}

function withInstruction(content: ChatMessage['content']): ChatMessage['content'] {
  if (content === null) return instruction;
  if (typeof content === 'string') return `${content}\n\n${instruction}`;
  return [...content, { type: 'text', text: instruction }];
}
