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
import { isEmptyMessage, utf8Length } from '../domain/turn/messages';
import { completeToolRounds, lostCallId } from '../domain/turn/tool-rounds';
import { contextWindow } from '../domain/turn/window';

const noSpend: ConversationSpend = { turns: 0, tokens: 0, cost_usd: 0, unconfirmed_usd: 0 };

/** What a conversation remembers: its most recent turns, from which window, transcript and repeated answers derive. */
export class ConversationState {
  /** Set once; from then on no new turn is taken. */
  closing = false;
  private turns: TranscriptTurn[];
  private totals: ConversationSpend;
  /** Of all turns. */
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

  /** The reply that a turn got before, in this run or an earlier one. See docs/architecture.md, "A turn done once". */
  replyTo(turnId: string): ChatReply | undefined {
    return this.turns.findLast((turn) => turn.turnId === turnId)?.reply;
  }

  /** What a model gets to see of this conversation, with what is new at the end. */
  windowWith(added: readonly ChatMessage[]): ChatMessage[] {
    return this.window(this.history, added);
  }

  /** The call that a tool's result answers, where this conversation knows of none and nothing of what is new would be sent. */
  lostCallIn(added: readonly ChatMessage[]): string | null {
    return lostCallId(this.messagesWith(this.history), added);
  }

  private window(history: readonly ChatMessage[], added: readonly ChatMessage[]): ChatMessage[] {
    const messages = [...this.messagesWith(history), ...added].filter((message) => !isEmptyMessage(message));
    return contextWindow(completeToolRounds(messages));
  }

  private messagesWith(history: readonly ChatMessage[]): readonly ChatMessage[] {
    const messages: ChatMessage[] = this.systemPrompt ? [{ role: 'system', content: this.systemPrompt }] : [];
    messages.push(...history);
    for (const turn of this.turns) {
      if (turn.reply.blocked) continue;
      messages.push(...newMessages({ content: turn.userContent, messages: turn.messages }));
      // A canned reply is not something the model said.
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

  /** For the next run, all in one payload: what is too large for that is forgotten, before the conversation is lost. */
  carry(lastActivityAtMs: number): Pick<ConversationInput, 'history' | 'carried'> {
    const bytesLeft = limits.maxCarriedBytes - jsonBytes(this.systemPrompt ?? '') - this.turnBytes;
    const turns = bytesLeft < 0 ? [] : this.turns;
    const isHistoryCarried = this.showsHistory() && jsonBytes(this.history) <= bytesLeft;
    return {
      history: isHistoryCarried ? this.history : undefined,
      carried: { turns, totals: this.totals, lastActivityAtMs },
    };
  }

  /** What newer turns have pushed out of the window never comes back into it. */
  private showsHistory(): boolean {
    return this.window(this.history, []).length > this.window([], []).length;
  }

  private forgetOldest(): void {
    while (
      this.turns.length > limits.maxTranscriptTurns ||
      (this.turnBytes > limits.maxTranscriptBytes && this.turns.length > 1)
    ) {
      const oldest = this.turns.shift();
      if (oldest) this.turnBytes -= jsonBytes(oldest);
    }
  }
}

/** What a message brings into the conversation. */
export function newMessages({
  content,
  messages,
}: Pick<SendMessageInput, 'content' | 'messages'>): readonly ChatMessage[] {
  return messages ?? [{ role: 'user', content }];
}

function assistantMessage({ content, refusal, tool_calls }: ChatReply): ChatMessage {
  if (tool_calls === undefined) return { role: 'assistant', content: content === '' ? (refusal ?? '') : content };
  return { role: 'assistant', content: content === '' ? null : content, tool_calls };
}

function jsonBytes(value: unknown): number {
  return utf8Length(JSON.stringify(value));
}
