import type {
  Branch,
  CarriedConversation,
  ChatMessage,
  ChatReply,
  ConversationInput,
  ConversationOutline,
  ConversationSpend,
  OutlinedTurn,
  SendMessageInput,
  Transcript,
  TranscriptTurn,
} from '../contract/chat';
import type { HandedOver, PersonMessage } from '../contract/hand-off';
import { limits } from '../contract/limits';
import { isAskedAgain } from '../domain/turn/asked-again';
import { fingerprints, questionIn, questionOf, textFingerprint } from '../domain/turn/fingerprints';
import { toNanoUsd, toUsd } from '../domain/turn/prices';
import { messageText, sendableMessages, utf8Length } from '../domain/turn/messages';
import { completeToolRounds, orphanedCallId } from '../domain/turn/tool-rounds';
import { contextWindow } from '../domain/turn/window';

type Totals = Required<ConversationSpend>;

const noSpend: Totals = {
  turns: 0,
  tokens: 0,
  cost_usd: 0,
  unconfirmed_usd: 0,
  cost_nano_usd: 0,
  unconfirmed_nano_usd: 0,
};

type Spent = Pick<ConversationSpend, 'cost_usd' | 'unconfirmed_usd' | 'cost_nano_usd' | 'unconfirmed_nano_usd'>;

/** In nano-dollars; what an older worker said has 6 decimals. */
function exactly(spent: Spent): Pick<Totals, 'cost_nano_usd' | 'unconfirmed_nano_usd'> {
  return {
    cost_nano_usd: spent.cost_nano_usd ?? toNanoUsd(spent.cost_usd),
    unconfirmed_nano_usd: spent.unconfirmed_nano_usd ?? toNanoUsd(spent.unconfirmed_usd),
  };
}

/**
 * A conversation's memory: its most recent turns. Window, transcript and repeated replies are derived from them. A turn
 * follows the one before it, or stands on a branch: then the turns that it does not follow are not in its window.
 */
export class ConversationState {
  /** Once set, no new turns are accepted. */
  closing = false;
  private turns: TranscriptTurn[];
  private totals: Totals;
  /** JSON bytes of all turns. */
  private turnBytes: number;
  /** Fingerprints of each kept turn, computed once. */
  private readonly prints = new WeakMap<TranscriptTurn, readonly string[]>();

  constructor(
    private readonly sessionId: string,
    private readonly systemPrompt: string | undefined,
    carried: CarriedConversation | undefined,
    private readonly history: readonly ChatMessage[] = [],
  ) {
    this.turns = [...(carried?.turns ?? [])];
    this.totals = { ...noSpend, ...carried?.totals, ...exactly(carried?.totals ?? noSpend) };
    this.turnBytes = this.turns.reduce((bytes, turn) => bytes + jsonBytes(turn), 0);
  }

  /** The reply to an earlier request with the same turn id, in this run or a previous one. See docs/architecture.md, "A turn done once". */
  replyTo(turnId: string): ChatReply | undefined {
    return this.turns.findLast((turn) => turn.turnId === turnId)?.reply;
  }

  /** A person's message that came before; undefined: it did not, or is forgotten. */
  personMessage(messageId: string): PersonMessage | undefined {
    const turn = this.turns.findLast(({ turnId, person }) => turnId === messageId && person !== undefined);
    return turn && { messageId, atMs: turn.atMs };
  }

  /** Whether a new turn can stand there. In a conversation that has just been reopened, the opening history stands for all earlier turns. */
  canFollow({ after, before, mustBeRemembered }: Branch): boolean {
    if (after === null || before !== undefined || this.remembers(after)) return true;
    return this.turns.length === 0 && mustBeRemembered !== true;
  }

  private remembers(turnId: string): boolean {
    return this.turns.some((turn) => turn.turnId === turnId);
  }

  /** The branch of a new turn as it is remembered: without what the conversation has already. */
  placed({ after, before, history, isCut }: Branch): NonNullable<TranscriptTurn['branch']> {
    if (after !== null && this.remembers(after)) return { after, ...(history?.length && { history }) };
    const told = after === null ? history : before && [...before, ...(history ?? [])];
    const isOpening = told === undefined || JSON.stringify(told) === JSON.stringify(this.history);
    return { after: null, ...(!isOpening && { history: told }), ...(isCut && { isCut }) };
  }

  /** The messages that a model sees: this conversation's window, with the new messages at the end. */
  windowWith(added: readonly ChatMessage[], branch?: Branch, instructions?: string): ChatMessage[] {
    return this.window(this.history, added, branch, instructions);
  }

  /** The id of a new tool result whose call this conversation does not know, so that none of the new messages could be sent; else null. */
  orphanedCallIn(added: readonly ChatMessage[], branch?: Branch): string | null {
    return orphanedCallId(this.messagesBefore(this.history, added, branch), added);
  }

  private window(
    history: readonly ChatMessage[],
    added: readonly ChatMessage[],
    branch: Branch | undefined,
    instructions?: string,
  ): ChatMessage[] {
    const before = this.messagesBefore(history, added, branch, instructions);
    const messages = sendableMessages([...before, ...added]);
    return contextWindow(completeToolRounds(messages));
  }

  /** What stands before a new turn: on its branch, or behind the latest turn. */
  private messagesBefore(
    history: readonly ChatMessage[],
    added: readonly ChatMessage[],
    branch: Branch | undefined,
    instructions?: string,
  ): readonly ChatMessage[] {
    const systemPrompt = [instructions, branch?.systemPrompt ?? this.systemPrompt].filter(Boolean).join('\n\n');
    const messages: ChatMessage[] = systemPrompt ? [{ role: 'system', content: systemPrompt }] : [];
    const { turns, isOpened } = this.pathTo(branch);
    if (isOpened) messages.push(...history);
    // A question that tools still work on keeps its documents.
    const latestAsked = added.some(isOfUser) ? turns.length : turns.findLastIndex((turn) => asked(turn).some(isOfUser));
    for (const [index, turn] of turns.entries()) {
      const hasDocuments = turn.branch === undefined || index >= latestAsked;
      messages.push(...(hasDocuments ? messagesOf(turn) : messagesOf(turn).map(withoutDocuments)));
    }
    messages.push(...(branch?.history ?? []));
    return messages;
  }

  /** The turns that a new one follows, oldest first, and whether they begin with what the conversation was opened with. */
  private pathTo(branch: TranscriptTurn['branch']): { turns: readonly TranscriptTurn[]; isOpened: boolean } {
    const indexes = new Map(this.turns.map(({ turnId }, index) => [turnId, index]));
    const turns: TranscriptTurn[] = [];
    let next = branch;
    let index = this.turns.length;
    for (;;) {
      if (next?.after === null) return { turns: turns.toReversed(), isOpened: next.history === undefined };
      // A turn is later than the one that it follows.
      const before: number = next === undefined ? index - 1 : (indexes.get(next.after) ?? index);
      if (before >= index) return { turns: turns.toReversed(), isOpened: false };
      const turn = this.turns[before];
      if (turn === undefined) return { turns: turns.toReversed(), isOpened: true };
      turns.push(turn);
      next = turn.branch;
      index = before;
    }
  }

  add(turn: TranscriptTurn): void {
    this.turns.push(turn);
    this.turnBytes += jsonBytes(turn);
    const { cost_nano_usd: cost, unconfirmed_nano_usd: unconfirmed } = exactly(turn.reply);
    const costNanoUsd = this.totals.cost_nano_usd + cost;
    const unconfirmedNanoUsd = this.totals.unconfirmed_nano_usd + unconfirmed;
    this.totals = {
      turns: this.totals.turns + 1,
      tokens: this.totals.tokens + turn.reply.tokens_used,
      cost_usd: toUsd(costNanoUsd),
      unconfirmed_usd: toUsd(unconfirmedNanoUsd),
      cost_nano_usd: costNanoUsd,
      unconfirmed_nano_usd: unconfirmedNanoUsd,
    };
    this.forgetOldest();
  }

  recent(count: number): readonly TranscriptTurn[] {
    return this.turns.slice(-count);
  }

  /**
   * The id of the latest answered turn that was asked nearly the same within the last 5 minutes, on whatever branch; null
   * if there is none.
   */
  askedBefore(message: Pick<SendMessageInput, 'content' | 'messages'>, nowMs: number): string | null {
    const question = questionOf(newMessages(message));
    const recent = this.recent(comparedTurns).filter(
      ({ atMs, reply }) => reply.success && !reply.handed_over && nowMs - atMs <= askedAgainMs,
    );
    return recent.findLast((turn) => isAskedAgain(question, questionOf(asked(turn))))?.turnId ?? null;
  }

  spend(): Required<ConversationSpend> {
    return this.totals;
  }

  transcript(state: Transcript['state'], handedOver: HandedOver | null = null): Transcript {
    const { sessionId } = this;
    return {
      sessionId,
      state,
      ...(handedOver && { handedOver }),
      turns: this.turns,
      olderTurns: this.totals.turns - this.turns.length,
    };
  }

  /** What it remembers, for whoever looks for the place of a request in it. */
  outline(state: ConversationOutline['state']): ConversationOutline {
    return {
      state,
      systemPrompt: this.systemPrompt ? textFingerprint(this.systemPrompt) : null,
      opening: printsOf(this.history),
      turns: this.turns.map((turn, index) => this.outlined(turn, index)),
      quotes: this.recent(quotedTurns).map((turn) => ({
        question: beginningOf(asked(turn).findLast(isOfUser)),
        reply: beginningOf(turn.reply.success ? assistantMessage(turn.reply) : undefined),
      })),
    };
  }

  private outlined(turn: TranscriptTurn, index: number): OutlinedTurn {
    const { turnId, branch } = turn;
    const messages = this.prints.get(turn) ?? printsOf(messagesOf(turn));
    this.prints.set(turn, messages);
    const after = branch === undefined ? (this.turns[index - 1]?.turnId ?? null) : branch.after;
    if (after !== null) return { turnId, after, messages };
    const isBehindOpening = branch?.history === undefined;
    return { turnId, after, ...(isBehindOpening && { behind: 'opening' }), isCut: branch?.isCut ?? false, messages };
  }

  /** The input of the next run, which must fit into one payload: what does not fit is dropped rather than losing the conversation. */
  carry(
    lastActivityAtMs: number,
    handedOver: HandedOver | null = null,
  ): Pick<ConversationInput, 'history' | 'carried'> {
    const bytesLeft = limits.maxCarriedBytes - jsonBytes(this.systemPrompt ?? '') - this.turnBytes;
    const turns = bytesLeft < 0 ? [] : this.turns;
    const isHistoryCarried = this.showsHistory() && jsonBytes(this.history) <= bytesLeft;
    return {
      history: isHistoryCarried ? this.history : undefined,
      carried: { turns, totals: this.totals, lastActivityAtMs, ...(handedOver && { handedOver }) },
    };
  }

  /** Messages that newer turns have pushed out of the window never return to it. */
  private showsHistory(): boolean {
    return this.window(this.history, [], undefined).length > this.window([], [], undefined).length;
  }

  private forgetOldest(): void {
    if (this.turnBytes > limits.maxTranscriptBytes) this.forgetThoughts();
    while (
      this.turns.length > limits.maxTranscriptTurns ||
      (this.turnBytes > limits.maxTranscriptBytes && this.turns.length > 1)
    ) {
      const oldest = this.turns.shift();
      if (oldest) this.turnBytes -= jsonBytes(oldest);
    }
  }

  /** Thoughts that no model wants back make room first: those of earlier answers without tool calls. */
  private forgetThoughts(): void {
    this.turns = this.turns.map((turn, index) => {
      const { reasoning_content: thoughts, ...reply } = turn.reply;
      if (thoughts === undefined || reply.tool_calls !== undefined || index === this.turns.length - 1) return turn;
      const shorter = { ...turn, reply };
      this.turnBytes -= jsonBytes(turn) - jsonBytes(shorter);
      return shorter;
    });
  }
}

const askedAgainMs = 5 * 60_000;
/** Whoever asks again does so soon. */
const comparedTurns = 5;

/** Enough to tell a question about a conversation: applications quote its last exchanges. */
const quotedTurns = 8;
const quotedCharacters = 64;

function beginningOf(message: ChatMessage | undefined): string {
  return message === undefined ? '' : messageText(message).trimStart().slice(0, quotedCharacters);
}

function printsOf(messages: readonly ChatMessage[]): readonly string[] {
  return fingerprints(messages)
    .slice(-limits.maxComparedMessages)
    .map(({ print }) => print);
}

/** All that a turn has said in its conversation: nothing, if a budget refused it. */
function messagesOf(turn: TranscriptTurn): readonly ChatMessage[] {
  const { reply, branch } = turn;
  if (reply.blocked) return [];
  const before = [...(branch?.history ?? []), ...asked(turn)];
  // A degraded reply did not come from a model. What was shown of a stopped answer did, and its user goes on from there.
  // A message that waits for a person has none.
  const isAnswer = (reply.success && !reply.handed_over) || (reply.stopped && reply.content !== '');
  return isAnswer ? withAnswer(before, assistantMessage(reply)) : before;
}

/** An answer that was to be continued and the rest of it are one. */
function withAnswer(before: readonly ChatMessage[], answer: ChatMessage): readonly ChatMessage[] {
  const begun = before.at(-1);
  const isContinued = begun?.role === 'assistant' && begun.tool_calls === undefined;
  if (!isContinued || answer.tool_calls !== undefined) return [...before, answer];
  return [...before.slice(0, -1), { role: 'assistant', content: messageText(begun) + messageText(answer) }];
}

/** The messages that a turn added. */
function asked({ userContent, messages }: TranscriptTurn): readonly ChatMessage[] {
  return newMessages({ content: userContent, messages });
}

function isOfUser({ role }: ChatMessage): boolean {
  return role === 'user';
}

/** A question as its application sends it again: the documents around it were for its own turn. */
function withoutDocuments(message: ChatMessage): ChatMessage {
  const { role, content } = message;
  if (role !== 'user' || content === null) return message;
  if (typeof content === 'string') return { ...message, content: questionIn(content) };
  const parts = content.map((part) =>
    typeof part['text'] === 'string' ? { ...part, text: questionIn(part['text']) } : part,
  );
  return { ...message, content: parts };
}

/** The messages that an update adds to the conversation. */
export function newMessages({
  content,
  messages,
}: Pick<SendMessageInput, 'content' | 'messages'>): readonly ChatMessage[] {
  return messages ?? [{ role: 'user', content }];
}

function assistantMessage({ content, refusal, tool_calls, reasoning_content }: ChatReply): ChatMessage {
  if (tool_calls === undefined) return { role: 'assistant', content: content === '' ? (refusal ?? '') : content };
  return {
    role: 'assistant',
    content: content === '' ? null : content,
    tool_calls,
    ...(reasoning_content !== undefined && { reasoning_content }),
  };
}

function jsonBytes(value: unknown): number {
  return utf8Length(JSON.stringify(value));
}
