import { readEvents, type ReceivedEvent } from '../gateway/read-stream';

/** A client that reads one turn's stream, and keeps what it has read if its connection breaks. */
export class StreamReader {
  turnId = '';
  text = '';
  textEvents = 0;
  lastEventId: string | null = null;
  isDone = false;
  isBroken = false;
  error: unknown = null;
  /** The longest time without a piece of text, in milliseconds, and how much text there was before it. */
  longestWaitMs = 0;
  private lastTextAtMs = performance.now();

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
    this.lastEventId = id ?? this.lastEventId;
    if (data === '[DONE]') this.isDone = true;
    else if ('error' in data) this.error = data.error;
    else {
      const text = data.choices[0]?.delta.content ?? '';
      if (text === '') return;
      const nowMs = performance.now();
      this.longestWaitMs = Math.max(this.longestWaitMs, nowMs - this.lastTextAtMs);
      this.lastTextAtMs = nowMs;
      this.text += text;
      this.textEvents += 1;
    }
  }
}
