import type { ChatMessage } from '../../contract/chat';
import { isTrailSurrogate, utf8Length } from './messages';

/** A text and its offset in the turn's answer, in UTF-16 code units. */
export interface PlacedText {
  readonly at: number;
  readonly text: string;
}

/** How a model is asked to continue a partial answer, and how we recognize that it does. */
export interface ContinuationPlan {
  readonly partial: string;
  /** The part that the model gets as its own last message; '' if the partial answer is too short to be split. */
  readonly prefill: string;
  /** The rest of it, which the model is asked to write itself before it continues. */
  readonly heldBack: string;
}

/**
 * How much of the end of a partial answer is held back, in UTF-8 bytes: about five words, or eight Chinese characters. No
 * other answer starts with them by chance, and a model that continues gets them right, because it is given them.
 */
const heldBackBytes = 24;
/** How far before that to look for a space: some APIs refuse a last message that ends with one, so it is held back, too. */
const longestWord = 24;

/** null if the partial answer also starts with its own end, because a continuation would then look like a repetition. */
export function planContinuation(partial: string): ContinuationPlan | null {
  const start = startOfHeldBack(partial);
  const prefill = partial.slice(0, start);
  const heldBack = partial.slice(start);
  if (prefill.trim() === '') return { partial, prefill: '', heldBack: partial };
  return partial.trimStart().startsWith(heldBack.trimStart()) ? null : { partial, prefill, heldBack };
}

function startOfHeldBack(partial: string): number {
  let start = partial.trimEnd().length;
  let bytes = 0;
  while (start > 0 && bytes < heldBackBytes) {
    const size = isTrailSurrogate(partial.charCodeAt(start - 1)) && start > 1 ? 2 : 1;
    start -= size;
    bytes += utf8Length(partial.slice(start, start + size));
  }
  const searchedFrom = Math.max(0, start - longestWord);
  const space = partial.slice(searchedFrom, start + 1).search(/\s\S*$/);
  return partial.slice(0, space === -1 ? start : searchedFrom + space).trimEnd().length;
}

/** White space before a text; a model that sends more than this is saying nothing. */
const maxUndecidedSpaces = 1_024;

type Relation = 'undecided' | 'whole' | 'continues' | 'unrelated';

/**
 * Places the text of a model that was asked to continue a partial answer. The text is joined to the partial answer only
 * if it starts with the part that was held back, which shows that it continues. A model may also repeat everything, which
 * is a whole answer. Until it is clear which, the text is held back. Any other text is unrelated and never shown, because
 * half of one answer followed by all of another looks like one answer. The first piece is always at 0 and starts with the
 * partial answer: readers that have it skip it, and readers that lost it get it again.
 */
export class Continuation {
  private received = '';
  private readonly repetition: Beginning;
  private readonly rest: Beginning;
  private relation: Relation;
  /** The answer so far, once the relation is decided. */
  private answer = '';

  /** @param plan null: the model was asked for an answer of its own */
  constructor(private readonly plan: ContinuationPlan | null) {
    this.relation = plan === null ? 'whole' : 'undecided';
    const { partial, heldBack } = plan ?? { partial: '', heldBack: '' };
    // Models that repeat the answer often start with a line break.
    this.repetition = new Beginning(partial, startsWithText(partial));
    // Whether models begin with a space depends on how they see their last message.
    this.rest = new Beginning(heldBack.trimStart(), true);
  }

  /** Code units passed to `take` so far. */
  get takenLength(): number {
    return this.received.length;
  }

  /** The text is neither a continuation nor a repetition, so there is no answer. */
  get isUnrelated(): boolean {
    return this.relation === 'unrelated';
  }

  /** Returns the text that can be sent now, or null. */
  take(text: string): PlacedText | null {
    this.received += text;
    if (this.relation === 'undecided') {
      this.repetition.take(text);
      this.rest.take(text);
      return this.decide(false);
    }
    return this.relation === 'unrelated' ? null : this.place(text);
  }

  /** The whole answer, and the part of it that was still held back; call it once the model has finished. */
  finish(): { readonly content: string; readonly rest: PlacedText | null } {
    const rest = this.relation === 'undecided' ? this.decide(true) : null;
    return { content: this.answer, rest };
  }

  private decide(isAll: boolean): PlacedText | null {
    if (this.plan === null) return null;
    this.relation = this.relationTo(this.plan, isAll);
    if (this.relation === 'whole') return this.place(comparable(this.plan.partial, this.received));
    if (this.relation !== 'continues') return null;
    const { partial, heldBack } = this.plan;
    return this.place(partial + this.received.trimStart().slice(heldBack.trimStart().length));
  }

  private relationTo({ partial, prefill }: ContinuationPlan, isAll: boolean): Relation {
    const { repetition, rest } = this;
    if (repetition.isReached) return 'whole';
    const mustDecide = isAll || this.received.length > partial.length + maxUndecidedSpaces;
    // Without a prefill, the model was only asked to begin with the same words, so its text is always a whole answer.
    if (prefill === '') return mustDecide || !repetition.isPossible ? 'whole' : 'undecided';
    if (rest.isReached) return 'continues';
    return !mustDecide && (rest.isPossible || repetition.isPossible) ? 'undecided' : 'unrelated';
  }

  private place(text: string): PlacedText | null {
    const at = this.answer.length;
    this.answer += text;
    return text === '' ? null : { at, text };
  }
}

/** Checks whether a text that arrives in pieces starts with the expected one, looking at each code unit once. */
class Beginning {
  /** The text so far is the beginning of the expected text, or starts with all of it. */
  isPossible = true;
  private matchedLength = 0;

  constructor(
    private readonly expected: string,
    private readonly skipsSpaces: boolean,
  ) {}

  get isReached(): boolean {
    return this.isPossible && this.matchedLength === this.expected.length;
  }

  take(piece: string): void {
    if (!this.isPossible || this.isReached) return;
    const text = this.skipsSpaces && this.matchedLength === 0 ? piece.trimStart() : piece;
    const compared = text.slice(0, this.expected.length - this.matchedLength);
    this.isPossible = this.expected.startsWith(compared, this.matchedLength);
    this.matchedLength += compared.length;
  }
}

function startsWithText(text: string): boolean {
  return /^\S/.test(text);
}

function comparable(partial: string, received: string): string {
  return startsWithText(partial) ? received.trimStart() : received;
}

/**
 * The messages of a call that continues an interrupted answer. The partial answer, without the part that is held back,
 * comes last, as the assistant's own message, for models that continue from there. The instruction is needed because many
 * APIs treat that message as finished, so that the model would start a new one. It is appended to the system prompt if
 * there is one, because some models accept only one.
 */
export function withPrefill(messages: readonly ChatMessage[], plan: ContinuationPlan): readonly ChatMessage[] {
  const [first, ...others] = messages;
  const system = first?.role === 'system' || first?.role === 'developer' ? first : null;
  const instruction = instructionFor(plan);
  const instructed: ChatMessage = system
    ? { ...system, content: withInstruction(system.content, instruction) }
    : { role: 'system', content: instruction };
  const last: readonly ChatMessage[] = plan.prefill === '' ? [] : [{ role: 'assistant', content: plan.prefill }];
  return [instructed, ...(system ? others : messages), ...last];
}

function instructionFor({ prefill, heldBack }: ContinuationPlan): string {
  const words = `<<<${heldBack.trimStart()}>>>`;
  if (prefill === '')
    return `The user has already read the first words of your answer. Begin it with exactly ${words}.`;
  return (
    'Your last message below broke off while it was being sent, and the user has already read it and the words that follow ' +
    `it, which are between these brackets: ${words}. Continue it: write these words first, exactly as they stand and ` +
    'without the brackets, and then what follows them. Repeat nothing before them, do not start over, and do not mention ' +
    'the interruption.'
  );
}

function withInstruction(content: ChatMessage['content'], instruction: string): ChatMessage['content'] {
  if (content === null) return instruction;
  if (typeof content === 'string') return `${content}\n\n${instruction}`;
  return [...content, { type: 'text', text: instruction }];
}
