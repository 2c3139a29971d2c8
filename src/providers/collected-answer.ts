import { limits } from '../contract/limits';
import { utf8Prefix } from '../domain/turn/messages';
import { laterUsage, countsTokens, usageIn } from './reported-usage';
import type { Chunk } from './response-schemas';
import { CollectedToolCalls } from './tool-calls';

/** What an event added. */
export interface Step {
  readonly text: string;
  /** The model said or thought something. */
  readonly isProgress: boolean;
  /** It gave a finish reason. */
  readonly isFinish: boolean;
  /** Usage without a choice, as it comes at the very end. */
  readonly isUsageAlone: boolean;
}

/** Assembles the events of a stream into the equivalent of a response that was not streamed. */
export class CollectedAnswer {
  finishReason: string | null = null;
  /** More of the answer followed a finish reason, so this provider's finish reasons do not mark the end. */
  spokeOn = false;
  /**
   * The last finish reason came together with more of the answer, or before it: the provider may send one in every event.
   */
  isReasonBesideText = false;
  hasChoice = false;
  /** Something that a client would get. */
  hasContent = false;
  /** Content or thoughts. */
  hasProgress = false;
  endsWithUsage = false;
  keptBytes = 0;
  private model: string | null = null;
  private usage: unknown = null;
  /** More of the answer followed the reported usage, so the final cost is unknown. */
  private isUsageStale = false;
  private content: string | null = null;
  private refusal = '';
  private thoughts: string | null = null;
  private thoughtBytes = 0;
  private readonly toolCalls = new CollectedToolCalls();

  get hasUsage(): boolean {
    return !this.isUsageStale && countsTokens(this.usage);
  }

  add(chunk: Chunk, body: unknown): Step {
    this.model = chunk.model ?? this.model;
    const usage = usageIn(body);
    this.addUsage(usage);
    // Only the first choice was requested.
    const choice = chunk.choices?.find(({ index }) => (index ?? 0) === 0);
    this.endsWithUsage = choice === undefined && (chunk.choices ?? []).length === 0 && countsTokens(usage);
    if (choice === undefined) {
      return { text: '', isProgress: false, isFinish: false, isUsageAlone: this.endsWithUsage };
    }
    this.hasChoice = true;
    const said = choice.delta ?? (this.hasContent ? null : choice.message);
    const { text = null, refusal = '', toolCalls = [], thoughts = null } = said ?? {};
    if (text !== null) this.content = (this.content ?? '') + text;
    this.refusal += refusal;
    this.keptBytes += Buffer.byteLength(text ?? '') + Buffer.byteLength(refusal);
    for (const part of toolCalls) {
      this.toolCalls.add(part);
      this.keptBytes += Buffer.byteLength(JSON.stringify(part));
    }
    this.addThoughts(thoughts);
    const hasMore = Boolean(text || refusal || toolCalls.length > 0);
    const isProgress = hasMore || Boolean(thoughts);
    this.hasContent ||= hasMore;
    this.hasProgress ||= isProgress;
    if (isProgress) this.isUsageStale = !countsTokens(usage);
    // Some providers send '' until there is a reason.
    const reason = choice.finish_reason || null;
    if (isProgress) this.spokeOn ||= this.finishReason !== null;
    if (isProgress || reason !== null) this.isReasonBesideText = isProgress;
    this.finishReason = reason ?? this.finishReason;
    return { text: text ?? '', isProgress, isFinish: reason !== null, isUsageAlone: false };
  }

  addUsage(usage: unknown): void {
    if (countsTokens(usage)) this.isUsageStale = false;
    this.usage = laterUsage(this.usage, usage);
  }

  /** In the form of a `chat.completion`. */
  completion(): unknown {
    const toolCalls = this.toolCalls.received();
    const message = {
      content: this.content,
      ...(this.refusal !== '' && { refusal: this.refusal }),
      ...(this.thoughts !== null && { reasoning_content: this.thoughts }),
      ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
    };
    const choices = this.hasChoice ? [{ message, finish_reason: this.finishReason }] : [];
    const usage = this.isUsageStale && countsTokens(this.usage) ? null : this.usage;
    return { model: this.model, choices, usage };
  }

  /** Thoughts beyond the limit are dropped. The answer stays valid, because thoughts are not part of it. */
  private addThoughts(thoughts: string | null): void {
    if (thoughts === null) return;
    const kept = utf8Prefix(thoughts, limits.maxThoughtBytes - this.thoughtBytes);
    // Once some are dropped, all later ones are, too: they would not follow on from what was kept.
    this.thoughtBytes = kept === thoughts ? this.thoughtBytes + Buffer.byteLength(kept) : limits.maxThoughtBytes;
    this.thoughts = (this.thoughts ?? '') + kept;
  }
}
