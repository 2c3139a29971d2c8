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
  /** A usage without a choice, as it comes at the very end. */
  readonly isUsageAlone: boolean;
}

/** Assembles the events of a stream into the equivalent of a response that was not streamed. */
export class CollectedAnswer {
  finishReason: string | null = null;
  /** The model went on after a finish reason: this provider's reasons say nothing about the end. */
  spokeOn = false;
  /** The last finish reason came with more of the answer, or before it: it may stand in every event. */
  isReasonBesideText = false;
  hasChoice = false;
  /** Anything that a client would get. */
  hasContent = false;
  /** Content or thoughts. */
  hasProgress = false;
  endsWithUsage = false;
  keptBytes = 0;
  private model: string | null = null;
  private usage: unknown = null;
  /** The model went on after its usage was told: what it costs in the end is not known. */
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

  /** Thoughts are no part of the answer: what is too much of them is left out, and the answer stays one. */
  private addThoughts(thoughts: string | null): void {
    if (thoughts === null) return;
    const kept = utf8Prefix(thoughts, limits.maxThoughtBytes - this.thoughtBytes);
    // What comes after a gap would not follow what was kept.
    this.thoughtBytes = kept === thoughts ? this.thoughtBytes + Buffer.byteLength(kept) : limits.maxThoughtBytes;
    this.thoughts = (this.thoughts ?? '') + kept;
  }
}
