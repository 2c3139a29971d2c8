/** The parts of a provider's responses that we read: as few as possible, so that nothing else in them can break us. */
import { z } from 'zod';
import { exceededLimit } from '../domain/turn/json-shape';
import type { BodyReader, ExchangeControl } from './exchange';

/** A printable name that every database accepts: no control characters and no lone surrogates. */
const modelName = z.string().regex(/^[^\p{C}]{1,200}$/u);

/** `stop`, `MAX_TOKENS`, `eos_token`; clients act only on values that they know. */
const finishReason = z.string().regex(/^[\w .:/-]{1,64}$/);

const toolCallSchema = z.looseObject({ id: z.string(), type: z.string() }).refine(isShallow);

const answerSchema = z
  .object({
    content: z.string().nullish(),
    refusal: z.string().nullish().catch(null),
    tool_calls: z.array(toolCallSchema).nullish(),
  })
  // A refusal counts as an answer.
  .refine(
    ({ content, refusal, tool_calls }) => typeof content === 'string' || refusal || (tool_calls ?? []).length > 0,
  );

export const completionSchema = z.object({
  model: modelName.nullish().catch(null),
  choices: z.array(z.object({ message: answerSchema, finish_reason: finishReason.nullish().catch(null) })).min(1),
  // An answer with an unreadable usage is still an answer. The usage is validated where it is booked.
  usage: z.unknown().optional(),
});
export type Completion = z.infer<typeof completionSchema>;

/** A part of a tool call: the first part has the call's id and name, the others have more of its arguments. */
const toolCallDeltaSchema = z
  .looseObject({
    index: z.int().nonnegative().nullish(),
    id: z.string().nullish(),
    type: z.string().nullish(),
    function: z.looseObject({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
  })
  .refine(isShallow);
export type ToolCallDelta = z.infer<typeof toolCallDeltaSchema>;

const deltaSchema = z.object({
  content: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(toolCallDeltaSchema).nullish(),
  // Reasoning, as DeepSeek and OpenRouter name it: not part of the answer, but it shows that the model is working.
  reasoning_content: z.string().nullish().catch(null),
  reasoning: z.string().nullish().catch(null),
});

/** One event of a stream. Unreadable text is an error, because the answer would be incomplete. */
export const chunkSchema = z.object({
  error: z.unknown().optional(),
  model: z.string().nullish().catch(null),
  choices: z
    .array(
      z.object({
        index: z.int().nullish(),
        delta: deltaSchema.nullish(),
        finish_reason: z.string().nullish().catch(null),
      }),
    )
    .nullish(),
  usage: z.unknown().optional(),
});
export type Chunk = z.infer<typeof chunkSchema>;

/** Whether a usage contains any counts: one without must not replace one with counts. */
export function countsTokens(usage: unknown): boolean {
  const { prompt_tokens, completion_tokens } = Object(usage) as Record<string, unknown>;
  return typeof prompt_tokens === 'number' || typeof completion_tokens === 'number';
}

/** A 200 whose answer was withheld. */
export const withheldSchema = z.object({
  choices: z.array(z.object({ finish_reason: z.literal('content_filter') })).min(1),
});

export const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

const errorDetail = z.object({
  message: z.string().nullish().catch(null),
  type: z.string().nullish().catch(null),
  code: z.union([z.string(), z.number()]).nullish().catch(null),
});

/** `{error: {…}}` like OpenAI's, or `{error: "…"}`. */
const statedError = z.union([
  z.object({ error: errorDetail }).transform((body) => body.error),
  z.object({ error: z.string() }).transform((body) => ({ message: body.error, type: null, code: null })),
]);

/** A body that is explicitly an error, whatever its status; Gemini wraps it in a list. */
export const statedErrorSchema = z.preprocess(firstOfList, statedError);

/** The body of an error status: an error as above, or just the detail. */
export const errorBodySchema = z.preprocess(firstOfList, z.union([statedError, errorDetail]));
export type ProviderError = z.infer<typeof errorDetail>;

function firstOfList(body: unknown): unknown {
  return Array.isArray(body) ? (body[0] as unknown) : body;
}

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
