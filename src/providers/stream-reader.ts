import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { StreamRequest } from '../contract/provider';
import type { BodyReader, FailureCause, ExchangeControl, ResponseHead } from './exchange';
import {
  type Chunk,
  chunkSchema,
  completionSchema,
  countsTokens,
  JsonReader,
  parseJson,
  type ToolCallDelta,
} from './response-schemas';
import { firstValue } from './retry-after';
import { StreamTimeouts } from './stream-timeouts';

/**
 * Only the kept text counts against the limit of a response. The envelope of each token takes up to a hundred times as many
 * bytes as the token itself and is not kept. So the bytes on the wire have a limit of their own, well above what a whole
 * answer needs.
 */
const wireBytesPerKeptByte = 64;

/** Once everything is sent, a server ends the body within milliseconds. */
const endOfBodyMs = 1_000;

/** Reads a streamed completion, or what may come instead: an error, or an answer as plain JSON. */
export class StreamReader implements BodyReader {
  private readonly answer = new CollectedAnswer();
  private readonly decoder = new TextDecoder();
  private readonly parser;
  private readonly timeouts: StreamTimeouts;
  /** Reads a body that is not a stream. */
  private plain: JsonReader | null = null;
  private isEventStream = false;
  private hasEvents = false;
  /** An error that was sent instead of the rest of the answer. */
  private error: { readonly body: unknown } | null = null;
  private isOver = false;
  /** No more events are expected. */
  private isEnding = false;
  private isDone = false;
  private receivedBytes = 0;

  constructor(
    private readonly stream: StreamRequest,
    private readonly maxBytes: number,
    private readonly control: ExchangeControl,
  ) {
    this.timeouts = new StreamTimeouts(stream.limits, control);
    this.parser = createParser({
      maxBufferSize: maxBytes,
      onEvent: (event) => this.onEvent(event),
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') control.abort({ kind: 'too-large' });
      },
    });
  }

  get isWhole(): boolean {
    return this.answer.finishReason !== null && this.error === null;
  }

  onSent(): void {
    this.timeouts.sent();
  }

  onHead({ status, headers }: ResponseHead): void {
    this.timeouts.head();
    const contentType = firstValue(headers['content-type'])?.toLowerCase() ?? '';
    this.isEventStream = contentType.startsWith('text/event-stream');
    if (status >= 300 || /json|html/.test(contentType)) this.plain = new JsonReader(this.maxBytes, this.control);
  }

  onData(chunk: Buffer): void {
    if (this.plain !== null) {
      this.plain.onData(chunk);
      return;
    }
    this.receivedBytes += chunk.length;
    if (this.receivedBytes > this.maxBytes * wireBytesPerKeptByte) this.control.abort({ kind: 'too-large' });
    else this.parser.feed(this.decoder.decode(chunk, { stream: true }));
  }

  end(): { readonly body: unknown } | FailureCause {
    if (this.plain !== null) return this.endPlain(this.plain);
    if (!this.isEnding) {
      this.isEnding = true;
      // The last event may lack its terminating empty line.
      this.parser.feed('\n\n');
    }
    if (this.error !== null) return this.error;
    if (this.isWhole) return { body: this.answer.completion() };
    const isNoStream = this.isDone ? !this.answer.hasChoice : !this.isEventStream && !this.hasEvents;
    return isNoStream ? { body: undefined } : { kind: 'truncated' };
  }

  close(): void {
    this.isOver = true;
    this.timeouts.stop();
  }

  private onEvent({ event, data }: EventSourceMessage): void {
    if (this.isOver || data === '') return;
    this.hasEvents = true;
    if (data === '[DONE]') {
      this.isDone = true;
      this.finish();
      return;
    }
    const json = parseJson(data);
    const chunk = chunkSchema.safeParse(json).data;
    const isError = event === 'error' || (chunk?.error ?? null) !== null;
    if (chunk !== undefined && !isError) this.onChunk(chunk);
    // A complete answer stays complete, whatever follows it.
    else if (this.isWhole) this.finish();
    else if (isError) {
      this.error = { body: chunk?.error ? json : { error: json ?? data } };
      this.finish();
    }
    // An incomplete event at the end means a truncated stream, which `end` reports.
    else if (!this.isEnding) this.control.abort({ kind: 'malformed-chunk' });
  }

  private onChunk(chunk: Chunk): void {
    const wasWhole = this.isWhole;
    const { text, isProgress } = this.answer.add(chunk);
    if (this.answer.keptBytes > this.maxBytes) {
      this.control.abort({ kind: 'too-large' });
      return;
    }
    if (text !== '') this.stream.onText(text);
    // The chunk with the finish reason may have a usage, too, and be followed by the usage of the whole call.
    if (wasWhole && countsTokens(chunk.usage)) this.finish();
    else if (this.isWhole) this.timeouts.finished();
    else if (isProgress) this.timeouts.token();
  }

  private finish(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.control.finish(endOfBodyMs);
  }

  private endPlain(plain: JsonReader): { readonly body: unknown } {
    const { body } = plain.end();
    const content = completionSchema.safeParse(body).data?.choices[0]?.message.content;
    if (content) this.stream.onText(content);
    return { body };
  }
}

interface CollectedToolCall {
  readonly index: number;
  id: string | null;
  type: string;
  readonly function: { name: string; arguments: string };
  /** Any extra fields of the provider. */
  readonly rest: Record<string, unknown>;
}

/** What a chunk added. */
interface Step {
  readonly text: string;
  /** Whether the chunk shows that the model is generating text or reasoning. */
  readonly isProgress: boolean;
}

/** Assembles the chunks of a stream into the equivalent of a response that was not streamed. */
class CollectedAnswer {
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
    // Only the first choice was requested.
    const choice = chunk.choices?.find(({ index }) => (index ?? 0) === 0);
    if (choice === undefined) return { text: '', isProgress: false };

    this.hasChoice = true;
    // Some providers send '' until there is a reason.
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

  /** A new id starts a new call, whatever its index: some providers send no index, or 0 for every call. */
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
