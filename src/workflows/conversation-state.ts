import type {
  CarriedConversation,
  ChatMessage,
  ChatReply,
  ConversationInput,
  ConversationSpend,
  SendMessageInput,
  Transcript,
  TranscriptTurn,
} from '../contract/chat';
import { limits } from '../contract/limits';
import { addUsd } from '../domain/turn/prices';
import { sendableMessages, utf8Length } from '../domain/turn/messages';
import { completeToolRounds, orphanedCallId } from '../domain/turn/tool-rounds';
import { contextWindow } from '../domain/turn/window';

const noSpend: ConversationSpend = { turns: 0, tokens: 0, cost_usd: 0, unconfirmed_usd: 0 };

/** A conversation's memory: its most recent turns. Window, transcript and repeated replies are derived from them. */
export class ConversationState {
  /** Once set, no new turns are accepted. */
  closing = false;
  private turns: TranscriptTurn[];
  private totals: ConversationSpend;
  /** JSON bytes of all turns. */
  private turnBytes: number;

  constructor(
    private readonly sessionId: string,
    private readonly systemPrompt: string | undefined,
    carried: CarriedConversation | undefined,
    private readonly history: readonly ChatMessage[] = [],
  ) {
    this.turns = [...(carried?.turns ?? [])];
    this.totals = carried?.totals ?? noSpend;
    this.turnBytes = this.turns.reduce((bytes, turn) => bytes + jsonBytes(turn), 0);
  }

  /** The reply to an earlier request with the same turn id, in this run or a previous one. See docs/architecture.md, "A turn done once". */
  replyTo(turnId: string): ChatReply | undefined {
    return this.turns.findLast((turn) => turn.turnId === turnId)?.reply;
  }

  /** The messages that a model sees: this conversation's window, with the new messages at the end. */
  windowWith(added: readonly ChatMessage[]): ChatMessage[] {
    return this.window(this.history, added);
  }

  /** The id of a new tool result whose call this conversation does not know, so that none of the new messages could be sent; else null. */
  orphanedCallIn(added: readonly ChatMessage[]): string | null {
    return orphanedCallId(this.messagesWith(this.history), added);
  }

  private window(history: readonly ChatMessage[], added: readonly ChatMessage[]): ChatMessage[] {
    return contextWindow(completeToolRounds(sendableMessages([...this.messagesWith(history), ...added])));
  }

  private messagesWith(history: readonly ChatMessage[]): readonly ChatMessage[] {
    const messages: ChatMessage[] = this.systemPrompt ? [{ role: 'system', content: this.systemPrompt }] : [];
    messages.push(...history);
    for (const turn of this.turns) {
      if (turn.reply.blocked) continue;
      messages.push(...newMessages({ content: turn.userContent, messages: turn.messages }));
      // A degraded reply did not come from a model.
      if (turn.reply.success) messages.push(assistantMessage(turn.reply));
    }
    return messages;
  }

  add(turn: TranscriptTurn): void {
    this.turns.push(turn);
    this.turnBytes += jsonBytes(turn);
    this.totals = {
      turns: this.totals.turns + 1,
      tokens: this.totals.tokens + turn.reply.tokens_used,
      cost_usd: addUsd(this.totals.cost_usd, turn.reply.cost_usd),
      unconfirmed_usd: addUsd(this.totals.unconfirmed_usd, turn.reply.unconfirmed_usd),
    };
    this.forgetOldest();
  }

  recent(count: number): readonly TranscriptTurn[] {
    return this.turns.slice(-count);
  }

  spend(): ConversationSpend {
    return this.totals;
  }

  transcript(state: Transcript['state']): Transcript {
    return { sessionId: this.sessionId, state, turns: this.turns, olderTurns: this.totals.turns - this.turns.length };
  }

  /** The input of the next run, which must fit into one payload: what does not fit is dropped rather than losing the conversation. */
  carry(lastActivityAtMs: number): Pick<ConversationInput, 'history' | 'carried'> {
    const bytesLeft = limits.maxCarriedBytes - jsonBytes(this.systemPrompt ?? '') - this.turnBytes;
    const turns = bytesLeft < 0 ? [] : this.turns;
    const isHistoryCarried = this.showsHistory() && jsonBytes(this.history) <= bytesLeft;
    return {
      history: isHistoryCarried ? this.history : undefined,
      carried: { turns, totals: this.totals, lastActivityAtMs },
    };
  }

  /** Messages that newer turns have pushed out of the window never return to it. */
  private showsHistory(): boolean {
    return this.window(this.history, []).length > this.window([], []).length;
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
