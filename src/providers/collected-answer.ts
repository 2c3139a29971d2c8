import { countsTokens, type Chunk, type ToolCallDelta } from './response-schemas';

interface CollectedToolCall {
  readonly index: number;
  id: string | null;
  type: string;
  readonly function: { name: string; arguments: string };
  /** Whatever else the provider put there. */
  readonly rest: Record<string, unknown>;
}

/** What a chunk brought. */
interface Step {
  readonly text: string;
  /** Whether the model has said or thought something with it. */
  readonly isProgress: boolean;
}

/** Puts the chunks of a stream together to what the same answer would be without a stream. */
export class CollectedAnswer {
  finishReason: string | null = null;
  hasChoice = false;
  keptBytes = 0;
  private model: string | null = null;
  private usage: unknown = null;
  private content: string | null = null;
  private refusal = '';
  private readonly toolCalls: CollectedToolCall[] = [];
  private readonly latestByIndex = new Map<number, CollectedToolCall>();

  add(chunk: Chunk): Step {
    this.model = chunk.model ?? this.model;
    if (countsTokens(chunk.usage) || !countsTokens(this.usage)) this.usage = chunk.usage ?? this.usage;
    // Other choices than the first were not asked for.
    const choice = chunk.choices?.find(({ index }) => (index ?? 0) === 0);
    if (choice === undefined) return { text: '', isProgress: false };

    this.hasChoice = true;
    // Some providers send '' as long as there is no reason.
    this.finishReason = choice.finish_reason || this.finishReason;
    const { content, refusal, tool_calls: toolCalls, reasoning_content: thought, reasoning } = choice.delta ?? {};
    if (typeof content === 'string') this.content = (this.content ?? '') + content;
    this.refusal += refusal ?? '';
    this.keptBytes += Buffer.byteLength(content ?? '') + Buffer.byteLength(refusal ?? '');
    toolCalls?.forEach((delta) => this.addToolCall(delta));
    return {
      text: content ?? '',
      isProgress: Boolean(content || refusal || toolCalls?.length || thought || reasoning),
    };
  }

  /** In the form of a `chat.completion`. */
  completion(): unknown {
    const toolCalls = this.toolCalls.map(({ index, id, type, function: called, rest }) => {
      return { ...rest, id: id ?? `call_${index}`, type, function: called };
    });
    const message = {
      content: this.content,
      ...(this.refusal !== '' && { refusal: this.refusal }),
      ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
    };
    const choices = this.hasChoice ? [{ message, finish_reason: this.finishReason }] : [];
    return { model: this.model, choices, usage: this.usage };
  }

  private addToolCall(delta: ToolCallDelta): void {
    const { index, id, type, function: called, ...rest } = delta;
    const call = this.toolCallOf(index ?? null, id || null);
    call.id = id || call.id;
    call.type = type || call.type;
    const { name, arguments: argumentsJson, ...more } = called ?? {};
    Object.assign(call.function, more);
    if (name) call.function.name = name;
    call.function.arguments += argumentsJson ?? '';
    Object.assign(call.rest, rest);
    this.keptBytes += Buffer.byteLength(JSON.stringify(delta));
  }

  /** A new id begins a new call, whatever its index: some providers send none, or 0 for every call. */
  private toolCallOf(index: number | null, id: string | null): CollectedToolCall {
    const last = index === null ? this.toolCalls.at(-1) : this.latestByIndex.get(index);
    const isNew = last === undefined || (id !== null && last.id !== null && last.id !== id);
    if (!isNew) return last;
    const call: CollectedToolCall = {
      index: index ?? this.toolCalls.length,
      id,
      type: 'function',
      function: { name: '', arguments: '' },
      rest: {},
    };
    this.toolCalls.push(call);
    this.latestByIndex.set(call.index, call);
    return call;
  }
}
