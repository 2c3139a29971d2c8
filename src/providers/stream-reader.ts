import type { StreamRequest } from '../contract/provider';
import { CollectedAnswer } from './collected-answer';
import { doneMark, EventParser, type ReceivedEvent } from './event-parser';
import type { BodyReader, FailureCause, ExchangeControl, ResponseHead } from './exchange';
import { isBrokenOff, isCutByLength, isWithheld } from '../domain/turn/finish-reasons';
import { usageIn } from './reported-usage';
import { statesError } from './read-error';
import { type Chunk, chunkSchema, completionSchema, parseJson } from './response-schemas';
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

/** Longer than what is shown of an error. */
const errorTextLength = 4_096;

/**
 * Reads a completion, whatever form it comes in: a stream of events, plain JSON, or an error. The form shows in the first
 * character, because content types are often wrong. Without `stream`, a whole response was requested: silence has no
 * limits, and the text is not passed on as it arrives.
 */
export class StreamReader implements BodyReader {
  private readonly answer = new CollectedAnswer();
  private readonly decoder = new TextDecoder();
  private readonly parser: EventParser;
  private readonly timeouts: StreamTimeouts;
  private form: 'unknown' | 'json' | 'events' = 'unknown';
  /** The text of a body that is not a stream. */
  private plain = '';
  private isEventStream = false;
  private isErrorStatus = false;
  private hasEvents = false;
  /** An error that was sent instead of the rest of the answer. */
  private error: { readonly body: unknown } | null = null;
  private isOver = false;
  /** No more events are expected. */
  private isEnding = false;
  private isInLastEvent = false;
  private isDone = false;
  private receivedBytes = 0;
  private untold = '';
  private hasWords = false;
  /** By `performance.now()`: when the model first said or thought something in a stream. */
  firstTokenAtMs: number | null = null;

  constructor(
    private readonly stream: StreamRequest | undefined,
    private readonly maxBytes: number,
    private readonly control: ExchangeControl,
  ) {
    this.timeouts = new StreamTimeouts(stream?.limits ?? null, control);
    const onTooLong = (): void => control.abort({ kind: 'too-large' });
    this.parser = new EventParser(maxBytes, (event) => this.onEvent(event), onTooLong);
  }

  get isWhole(): boolean {
    if (this.error !== null || this.isErrorStatus) return false;
    const { finishReason, isReasonBesideText, hasContent } = this.answer;
    if (isBrokenOff(finishReason)) return false;
    const isFinished = finishReason !== null && !isReasonBesideText;
    return this.isWholeByMark || (isFinished && (hasContent || mayEndBeforeContent(finishReason)));
  }

  onSent(): void {
    this.timeouts.sent();
  }

  onHead({ status, headers }: ResponseHead): void {
    this.timeouts.head();
    const contentType = firstValue(headers['content-type'])?.toLowerCase() ?? '';
    this.isEventStream = contentType.startsWith('text/event-stream');
    this.isErrorStatus = status >= 300;
  }

  onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    const text = this.decoder.decode(chunk, { stream: true });
    this.form = this.form === 'unknown' ? formOf(text) : this.form;
    const maxBytes = this.form === 'json' ? this.maxBytes : this.maxBytes * wireBytesPerKeptByte;
    if (this.receivedBytes > maxBytes) this.control.abort({ kind: 'too-large' });
    else if (this.form === 'json') this.plain += text;
    else if (this.form === 'events') {
      // The body of an error status may be a plain sentence.
      if (this.isErrorStatus) this.plain = (this.plain + text).slice(0, errorTextLength);
      this.parser.feed(text);
    }
  }

  end(): { readonly body: unknown } | FailureCause {
    const body = this.form === 'json' ? parseJson(this.plain) : undefined;
    if (body !== undefined) return this.endPlain(body);
    this.endEvents();
    if (this.error !== null) return this.error;
    if (this.isErrorStatus) return { body: this.form === 'events' ? this.plain : undefined };
    const { finishReason, hasContent, endsWithUsage, hasChoice } = this.answer;
    if (finishReason !== null || this.isWholeByMark || (hasContent && endsWithUsage)) {
      return { body: this.answer.completion() };
    }
    const isNoStream = this.isDone ? !hasChoice : !this.hasEvents && (!this.isEventStream || this.form === 'json');
    return isNoStream ? { body: undefined } : { kind: 'truncated' };
  }

  close(): void {
    this.isOver = true;
    this.timeouts.stop();
  }

  /** Some providers give no finish reason, but end their answer with `[DONE]`. */
  private get isWholeByMark(): boolean {
    return this.isDone && (this.answer.hasContent || this.answer.finishReason !== null);
  }

  private endEvents(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    // A provider may send its events as bare JSON, one per line.
    if (this.form === 'json') this.parser.feed(this.plain);
    this.isInLastEvent = true;
    this.parser.end();
  }

  private onEvent({ name, data, json }: ReceivedEvent): void {
    if (this.isOver) return;
    this.hasEvents ||= json !== undefined || data === doneMark;
    if (data === doneMark) this.onDone();
    else if (this.isDone) this.onAfterDone(json);
    else if (name === 'error' || statesError(json)) this.onError(json, data);
    else if (!isHeartbeat(name, data, json)) this.onChunk(chunkSchema.safeParse(json).data, json);
  }

  private onDone(): void {
    this.isDone = true;
    // The usage may still follow.
    if (this.isWhole && !this.answer.hasUsage) this.timeouts.finished();
    else this.finish();
  }

  private onAfterDone(json: unknown): void {
    this.answer.addUsage(usageIn(json));
    if (this.answer.hasUsage) this.finish();
  }

  private onError(json: unknown, data: string): void {
    // A complete answer stays complete, whatever follows it.
    if (!this.isWhole) this.error = { body: statesError(json) ? json : { error: json ?? data } };
    this.finish();
  }

  private onChunk(chunk: Chunk | undefined, json: unknown): void {
    if (chunk === undefined) {
      if (this.isWhole) this.finish();
      // An incomplete event at the end means a truncated stream, which `end` reports.
      else if (!this.isInLastEvent) this.control.abort({ kind: 'malformed-chunk' });
      return;
    }
    const hadReason = this.answer.finishReason !== null;
    const { text, isProgress, isFinish, isUsageAlone } = this.answer.add(chunk, json);
    if (this.answer.keptBytes > this.maxBytes) {
      this.control.abort({ kind: 'too-large' });
      return;
    }
    if (isProgress) this.firstTokenAtMs ??= performance.now();
    this.tell(text);
    // The chunk with the finish reason may contain a usage, too, and be followed by more text and by the usage of the
    // whole call.
    if (hadReason && isUsageAlone) this.finish();
    else if (isProgress && isFinish && !this.answer.spokeOn) this.timeouts.perhapsFinished();
    else if (isProgress) this.timeouts.token();
    else if (isFinish && (this.answer.hasProgress || mayEndBeforeContent(this.answer.finishReason))) {
      this.timeouts.finished();
    }
  }

  /** White space waits for the first word: an answer without words fails, and then another attempt has nothing to take back. */
  private tell(text: string): void {
    this.untold += text;
    this.hasWords ||= text.trim() !== '';
    if (!this.hasWords || this.untold === '') return;
    this.stream?.onText(this.untold);
    this.untold = '';
  }

  private finish(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.control.finish(endOfBodyMs);
  }

  private endPlain(body: unknown): { readonly body: unknown } {
    const text = this.isErrorStatus ? null : completionSchema.safeParse(body).data?.choices[0]?.message.text;
    if (text) this.tell(text);
    return { body };
  }
}

/** HTML is not JSON, but gets the same limit. */
function formOf(text: string): 'unknown' | 'json' | 'events' {
  const first = text.trimStart()[0];
  if (first === undefined) return 'unknown';
  return '{[<'.includes(first) ? 'json' : 'events';
}

/**
 * Whether the answer may end without content. `stop` does not count: some providers send it with the role, before the
 * first token.
 */
function mayEndBeforeContent(reason: string | null): boolean {
  return isCutByLength(reason) || isWithheld(reason) || isBrokenOff(reason);
}

/**
 * Events that only keep the connection open: those with a name of their own, or a few words that cannot be part of an
 * answer.
 */
function isHeartbeat(name: string, data: string, json: unknown): boolean {
  if (json !== undefined) return typeof json !== 'object' || json === null || isEmptyList(json);
  const isOwnEvent = name !== '' && name !== 'message' && !/^[{[]/.test(data);
  return isOwnEvent || /^[\w :.,!-]{1,64}$/.test(data);
}

function isEmptyList(json: object): boolean {
  return Array.isArray(json) && json.length === 0;
}
