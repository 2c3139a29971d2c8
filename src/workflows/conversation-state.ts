import type {
  CarriedConversation,
  ChatMessage,
  ChatReply,
  ConversationSpend,
  SendMessageInput,
  Transcript,
  TranscriptTurn,
} from '../contract/chat';
import { limits } from '../contract/limits';
import { addUsd } from '../domain/prices';
import { measuredText } from '../domain/message';
import { utf8Length } from '../domain/text';
import { completeToolRounds } from '../domain/tool-rounds';
import { contextWindow } from '../domain/window';

const noSpend: ConversationSpend = { turns: 0, tokens: 0, cost_usd: 0, unconfirmed_usd: 0 };

/** What a conversation remembers: its most recent turns, from which window, transcript and repeated answers derive. */
export class ConversationState {
  /** Set once; from then on no new turn is taken. */
  closing = false;
  private turns: TranscriptTurn[];
  private totals: ConversationSpend;

  constructor(
    private readonly sessionId: string,
    private readonly systemPrompt: string | undefined,
    carried: CarriedConversation | undefined,
    private readonly history: readonly ChatMessage[] = [],
  ) {
    this.turns = [...(carried?.turns ?? [])];
    this.totals = carried?.totals ?? noSpend;
  }

  /** The reply that a turn got before, in this run or an earlier one. */
  replyTo(turnId: string): ChatReply | undefined {
    return this.turns.findLast((turn) => turn.turnId === turnId)?.reply;
  }

  /** What a model gets to see of this conversation, with what is new at the end. */
  windowWith(added: readonly ChatMessage[]): ChatMessage[] {
    const messages: ChatMessage[] = this.systemPrompt ? [{ role: 'system', content: this.systemPrompt }] : [];
    messages.push(...this.history);
    for (const turn of this.turns) {
      if (turn.reply.blocked) continue;
      messages.push(...newMessages({ content: turn.userContent, messages: turn.messages }));
      // A canned reply is not something the model said.
      if (turn.reply.success) messages.push(assistantMessage(turn.reply));
    }
    return contextWindow(completeToolRounds([...messages, ...added]));
  }

  add(turn: TranscriptTurn): void {
    this.turns.push(turn);
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

  carry(lastActivityAtMs: number): CarriedConversation {
    return { turns: this.turns, totals: this.totals, lastActivityAtMs };
  }

  /** All of it must fit one payload when it is carried to the next run. */
  private forgetOldest(): void {
    let bytes = this.turns.reduce((sum, turn) => sum + bytesOf(turn), 0);
    while (
      this.turns.length > limits.maxTranscriptTurns ||
      (bytes > limits.maxTranscriptBytes && this.turns.length > 1)
    ) {
      const oldest = this.turns.shift();
      if (oldest) bytes -= bytesOf(oldest);
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

function bytesOf(turn: TranscriptTurn): number {
  const messages = [
    ...newMessages({ content: turn.userContent, messages: turn.messages }),
    assistantMessage(turn.reply),
  ];
  return messages.reduce((bytes, message) => bytes + utf8Length(measuredText(message)), 0);
}
