import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { readEvents, type ReceivedEvent } from '../gateway/read-stream';

/** As which a turn is asked for and streamed. */
export type StreamForm = 'chat' | 'response';

/** A client that reads one turn's stream, and keeps what it has read if its connection breaks. */
export class StreamReader {
  turnId = '';
  text = '';
  textEvents = 0;
  /** Behind which it goes on: an event's id, or of a response its sequence number. */
  lastEventId: string | null = null;
  isDone = false;
  isBroken = false;
  error: unknown = null;
  /** The longest time without a piece of text, in milliseconds, and how much text there was before it. */
  longestWaitMs = 0;
  private lastTextAtMs = performance.now();

  constructor(readonly form: StreamForm = 'chat') {}

  /** Resolves when the stream has ended, in whatever way. */
  async read(answering: Promise<Response>): Promise<void> {
    this.isBroken = false;
    try {
      const response = await answering;
      this.turnId = response.headers.get('x-bellwether-turn-id') ?? this.turnId;
      if (response.status !== 200) {
        this.error = await response.json();
        return;
      }
      for await (const event of readEvents(response)) this.take(event);
    } catch {
      this.isBroken = true;
    }
  }

  private take({ id, data }: ReceivedEvent): void {
    if (data === null) return;
    if (this.form === 'response') {
      this.takeOfResponse(data as unknown as ResponseStreamEvent);
      return;
    }
    this.lastEventId = id ?? this.lastEventId;
    if (data === '[DONE]') this.isDone = true;
    else if ('error' in data) this.error = data.error;
    else {
      this.takeText(data.choices[0]?.delta.content ?? '');
    }
  }

  private takeOfResponse(event: ResponseStreamEvent): void {
    this.lastEventId = String(event.sequence_number);
    if (event.type === 'response.output_text.delta') this.takeText(event.delta);
    else if (event.type === 'response.completed') this.isDone = true;
    else if (event.type === 'response.failed') this.error = event.response.error;
    else if (event.type === 'error') this.error = event;
  }

  private takeText(text: string): void {
    if (text === '') return;
    const nowMs = performance.now();
    this.longestWaitMs = Math.max(this.longestWaitMs, nowMs - this.lastTextAtMs);
    this.lastTextAtMs = nowMs;
    this.text += text;
    this.textEvents += 1;
  }
}
