/** The parts of a provider's responses that we read: as few as possible, so that nothing else in them can break us. */
import { z } from 'zod';
import { exceededLimit } from '../domain/turn/json-shape';
import type { BodyReader, ExchangeControl } from './exchange';
import { isWithheld } from '../domain/turn/finish-reasons';
import { readContent } from './message-content';

/** A printable name that every database accepts: no control characters and no lone surrogates. */
const modelName = z.string().regex(/^[^\p{C}]{1,200}$/u);

/** `stop`, `MAX_TOKENS`, `eos_token`; clients act only on values that they know. */
const finishReason = z.string().regex(/^[\w .:/-]{1,64}$/);

/** A tool call, or a part of one: the first part has the call's id and name, the others have more of its arguments. */
const toolCallSchema = z
  .looseObject({
    index: z.int().nonnegative().nullish().catch(null),
    id: z.string().nullish().catch(null),
    type: z.string().nullish().catch(null),
    // Some providers send the arguments as an object.
    function: z.looseObject({ name: z.string().nullish(), arguments: z.unknown().optional() }).nullish(),
  })
  .refine(isShallow);
export type ReceivedToolCall = z.infer<typeof toolCallSchema>;

/** What a message or a delta says. */
const saidSchema = z
  .object({
    content: z.unknown().optional(),
    refusal: z.string().nullish().catch(null),
    tool_calls: z.array(toolCallSchema).nullish(),
    // The model's thoughts, as DeepSeek and OpenRouter name them. A provider that sends both fields sends the same text
    // in each.
    reasoning_content: z.string().nullish().catch(null),
    reasoning: z.string().nullish().catch(null),
  })
  .transform(({ content, refusal, tool_calls, reasoning_content, reasoning }, context) => {
    const read = readContent(content);
    if (read === null) {
      context.addIssue({ code: 'custom', path: ['content'], message: 'cannot be read' });
      return z.NEVER;
    }
    return {
      text: read.text,
      refusal: refusal ?? '',
      toolCalls: tool_calls ?? [],
      thoughts: reasoning_content ?? reasoning ?? read.thoughts,
    };
  });

export const completionSchema = z.object({
  model: modelName.nullish().catch(null),
  choices: z.array(z.object({ message: saidSchema, finish_reason: finishReason.nullish().catch(null) })).min(1),
});

/** One event of a stream. Unreadable text is an error, because the answer would be incomplete. */
export const chunkSchema = z.object({
  model: z.string().nullish().catch(null),
  choices: z
    .array(
      z.object({
        index: z.int().nullish(),
        delta: saidSchema.nullish(),
        // A whole answer as a single event.
        message: saidSchema.nullish().catch(null),
        finish_reason: z.string().nullish().catch(null),
      }),
    )
    .nullish(),
});
export type Chunk = z.infer<typeof chunkSchema>;

/** A 200 whose answer was withheld. */
export const withheldSchema = z.object({
  choices: z.array(z.object({ finish_reason: z.string().refine(isWithheld) })).min(1),
});

export const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

/** The parsed JSON; undefined if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Deeper than any tool call, and a tenth of the depth at which serializing it again would overflow the stack. */
const maxDepth = 300;

/** Whether a value can be serialized as JSON again: values that we pass through may be nested arbitrarily deep. */
function isShallow(value: unknown): boolean {
  return exceededLimit(value, { maxDepth, maxValues: Infinity }) === null;
}

/** Reads a JSON body, which can be parsed only once it is complete. */
export class JsonReader implements BodyReader {
  readonly isWhole = false;
  private readonly chunks: Buffer[] = [];
  private receivedBytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly control: ExchangeControl,
  ) {}

  onSent(): void {}

  onHead(): void {}

  onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    if (this.receivedBytes > this.maxBytes) this.control.abort({ kind: 'too-large' });
    else this.chunks.push(chunk);
  }

  end(): { readonly body: unknown } {
    return { body: parseJson(Buffer.concat(this.chunks).toString('utf8')) };
  }

  close(): void {}
}
