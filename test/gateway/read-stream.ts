import type { Chunk } from '../../src/gateway/chunks';
import type { ErrorFields } from '../../src/gateway/gateway-error';

/** One event of a stream, as it came. */
export interface ReceivedEvent {
  /** `Last-Event-ID` with it re-joins behind this event. */
  readonly id: string | null;
  readonly atMs: number;
  /** null: a comment. */
  readonly data: Chunk | '[DONE]' | { readonly error: ErrorFields } | null;
}

/** The events of a streamed answer as they arrive. */
export async function* readEvents(response: Response): AsyncGenerator<ReceivedEvent, void> {
  if (!response.body) throw new Error('The answer has no body.');
  let text = '';
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      yield toEvent(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
  if (text !== '') throw new Error(`The stream ended amid an event: ${text}`);
}

export async function allEvents(response: Response): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for await (const event of readEvents(response)) events.push(event);
  return events;
}

function toEvent(text: string): ReceivedEvent {
  const fields = new Map(text.split('\n').map((line) => [line.split(':', 1)[0] ?? '', line.replace(/^\w*: ?/, '')]));
  const id = fields.get('id');
  const data = fields.get('data');
  return {
    id: id ?? null,
    atMs: performance.now(),
    data: data === undefined ? null : data === '[DONE]' ? data : (JSON.parse(data) as Chunk),
  };
}

export function chunksOf(events: readonly ReceivedEvent[]): Chunk[] {
  return events
    .map(({ data }) => data)
    .filter((data) => typeof data === 'object' && data !== null && 'choices' in data);
}

export function textOf(events: readonly ReceivedEvent[]): string {
  return chunksOf(events)
    .map(({ choices }) => choices[0]?.delta.content ?? '')
    .join('');
}
