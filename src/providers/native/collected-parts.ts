import type { LanguageModelV3Content, LanguageModelV3StreamPart, LanguageModelV3Usage } from '@ai-sdk/provider';
import { fieldsOf } from '../../domain/fields-of';
import { CollectedAnswer } from '../collected-answer';
import { statesError } from '../read-error';
import { parseJson } from '../response-schemas';
import { carriedInCall, ThoughtsToCarry, withThoughts } from './carried-thoughts';
import type { NativeKind } from './kind';
import type { ToolCall } from '../../contract/chat';

export type Part = LanguageModelV3StreamPart | LanguageModelV3Content;

/** What a part added. */
export interface PartStep {
  readonly text: string;
  /** The model said or thought something. */
  readonly isProgress: boolean;
}

const nothing: PartStep = { text: '', isProgress: false };

/** Assembles what the AI SDK reads from an answer into the equivalent of an OpenAI-compatible response. */
export class CollectedParts {
  /** The answer is complete. */
  isFinished = false;
  private readonly answer = new CollectedAnswer();
  private readonly thoughts = new ThoughtsToCarry();
  /** Of calls that are not whole yet, which the SDK keeps. */
  private openCallBytes = 0;
  private model: string | null = null;
  private calls = 0;

  constructor(private readonly kind: NativeKind) {}

  get keptBytes(): number {
    return this.answer.keptBytes + this.openCallBytes;
  }

  add(part: Part): PartStep {
    switch (part.type) {
      case 'response-metadata':
        this.model = part.modelId ?? this.model;
        return nothing;
      case 'text':
        return this.say({ text: part.text });
      case 'text-delta':
        return this.say({ text: part.delta });
      case 'reasoning':
        this.keep(`whole ${this.thoughts.size}`, part.text, part.providerMetadata);
        return this.say({ thoughts: part.text });
      case 'reasoning-start':
        this.keep(part.id, '', part.providerMetadata);
        return this.say({ thoughts: '' });
      case 'reasoning-delta':
        this.keep(part.id, part.delta, part.providerMetadata);
        return this.say({ thoughts: part.delta });
      case 'reasoning-end':
        this.keep(part.id, '', part.providerMetadata);
        return nothing;
      // The call itself follows whole; until then its parts show that the model goes on.
      case 'tool-input-delta':
        this.openCallBytes += Buffer.byteLength(part.delta);
        return { text: '', isProgress: true };
      case 'tool-input-start':
        return { text: '', isProgress: true };
      case 'tool-call':
        return this.call(part);
      case 'finish':
        this.finish(part.finishReason, part.usage);
        return nothing;
      // Nothing that a client gets.
      case 'text-start':
      case 'text-end':
      case 'tool-input-end':
      case 'tool-approval-request':
      case 'tool-result':
      case 'file':
      case 'source':
      case 'stream-start':
      case 'raw':
      case 'error':
        break;
    }
    return nothing;
  }

  /** In the form of a `chat.completion`. */
  completion(): unknown {
    return this.answer.completion();
  }

  /** The calls with what the model needs back beside them. */
  withThoughts(calls: readonly ToolCall[]): readonly ToolCall[] {
    return withThoughts(this.kind.carrier.name, calls, this.thoughts.carried());
  }

  private keep(id: string, text: string, metadata: Parameters<NativeKind['carrier']['thoughtOf']>[0]): void {
    this.thoughts.add(id, text, this.kind.carrier.thoughtOf(metadata));
  }

  private call(part: Extract<Part, { type: 'tool-call' }>): PartStep {
    const call = { id: part.toolCallId, type: 'function', function: { name: part.toolName, arguments: part.input } };
    this.openCallBytes = Math.max(0, this.openCallBytes - Buffer.byteLength(part.input));
    const kept = this.kind.carrier.thoughtOf(part.providerMetadata);
    if (kept !== undefined) this.keep(`call ${part.toolCallId}`, '', part.providerMetadata);
    const index = this.calls;
    this.calls += 1;
    return this.say({ toolCalls: [{ index, ...call, ...this.kept(part.providerMetadata) }] });
  }

  private kept(metadata: Parameters<NativeKind['carrier']['thoughtOf']>[0]) {
    const { carrier } = this.kind;
    const fields = carrier.fieldsOfCall?.(metadata);
    return fields && carriedInCall(carrier.name, fields);
  }

  private say(said: Partial<Said>): PartStep {
    const delta: Said = { text: null, refusal: '', toolCalls: [], thoughts: null, ...said };
    const { text, isProgress } = this.answer.add({ model: this.model, choices: [{ index: 0, delta }] }, {});
    return { text, isProgress };
  }

  private finish({ unified, raw }: FinishReason, usage: LanguageModelV3Usage): void {
    // The SDKs say so of an answer that ended without a reason.
    if (unified === 'other' && raw === undefined) return;
    this.isFinished = true;
    const reason = this.kind.finishReason?.(raw) ?? reasons[unified] ?? raw ?? null;
    this.answer.add({ model: this.model, choices: [{ index: 0, finish_reason: reason }] }, { usage: toUsage(usage) });
  }
}

type FinishReason = Extract<Part, { type: 'finish' }>['finishReason'];
type Said = NonNullable<NonNullable<NonNullable<Parameters<CollectedAnswer['add']>[0]['choices']>[number]['delta']>>;

const reasons: Partial<Record<FinishReason['unified'], string>> = {
  stop: 'stop',
  length: 'length',
  'content-filter': 'content_filter',
  'tool-calls': 'tool_calls',
  error: 'error',
};

/** As OpenAI reports it, where the prompt includes what was read from a cache and written to it. */
function toUsage({ inputTokens, outputTokens }: LanguageModelV3Usage): unknown {
  return {
    prompt_tokens: inputTokens.total,
    completion_tokens: outputTokens.total,
    prompt_tokens_details: { cached_tokens: inputTokens.cacheRead, cache_write_tokens: inputTokens.cacheWrite },
    completion_tokens_details: { reasoning_tokens: outputTokens.reasoning },
  };
}

/** The body of an error that a provider sent in place of the rest of an answer; undefined: an event cannot be read. */
export function errorBodyOf(error: unknown): unknown {
  const { responseBody, name } = fieldsOf(error);
  const stated = typeof responseBody === 'string' ? parseJson(responseBody) : error;
  if (stated === error && (error instanceof Error || typeof name === 'string')) return undefined;
  const { type, message, error: inner, response } = fieldsOf(stated);
  const { error: ofResponse } = fieldsOf(response);
  if (type === 'response.failed' && typeof ofResponse === 'object') return { error: ofResponse };
  if (typeof type !== 'string' && typeof message !== 'string' && inner === undefined) return undefined;
  return statesError(stated) && 'error' in fieldsOf(stated) ? stated : { error: stated };
}
