/** What we read of a provider's answers: as little as possible, so that whatever else they hold cannot break us. */
import { z } from 'zod';
import { exceededLimit } from '../domain/turn/json-shape';
import type { BodyReader, ExchangeControl } from './exchange';

/** A name as people read it, and as every database takes it: no control characters, and nothing that is half a character. */
const modelName = z.string().regex(/^[^\p{C}]{1,200}$/u);

/** `stop`, `MAX_TOKENS`, `eos_token`; a client does something with it only when it knows the word. */
const finishReason = z.string().regex(/^[\w .:/-]{1,64}$/);

const toolCallSchema = z.looseObject({ id: z.string(), type: z.string() }).refine(isShallow);

const answerSchema = z
  .object({
    content: z.string().nullish(),
    refusal: z.string().nullish().catch(null),
    tool_calls: z.array(toolCallSchema).nullish(),
  })
  // A model that says why it does not answer has answered.
  .refine(
    ({ content, refusal, tool_calls }) => typeof content === 'string' || refusal || (tool_calls ?? []).length > 0,
  );

export const completionSchema = z.object({
  model: modelName.nullish().catch(null),
  choices: z.array(z.object({ message: answerSchema, finish_reason: finishReason.nullish().catch(null) })).min(1),
  // An answer with an unreadable usage is still an answer. What is believed of it is decided where it is paid.
  usage: z.unknown().optional(),
});
export type Completion = z.infer<typeof completionSchema>;

/** A part of a tool call; the first part of a call has its id and its name, the others more of its arguments. */
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
  // What a model thinks, as DeepSeek and as OpenRouter name it: not part of the answer, but it shows that it works.
  reasoning_content: z.string().nullish().catch(null),
  reasoning: z.string().nullish().catch(null),
});

/** One event of a stream. Text that cannot be read is an error, because a whole answer was promised. */
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

/** Whether a usage says anything at all: one that does not takes nothing from one that does. */
export function countsTokens(usage: unknown): boolean {
  const { prompt_tokens, completion_tokens } = Object(usage) as Record<string, unknown>;
  return typeof prompt_tokens === 'number' || typeof completion_tokens === 'number';
}

/** A 200 whose answer was held back. */
export const withheldSchema = z.object({
  choices: z.array(z.object({ finish_reason: z.literal('content_filter') })).min(1),
});

export const modelListSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

const errorDetail = z.object({
  message: z.string().nullish().catch(null),
  type: z.string().nullish().catch(null),
  code: z.union([z.string(), z.number()]).nullish().catch(null),
});

/** `{error: {…}}` as OpenAI has it, or `{error: "…"}`. */
const statedError = z.union([
  z.object({ error: errorDetail }).transform((body) => body.error),
  z.object({ error: z.string() }).transform((body) => ({ message: body.error, type: null, code: null })),
]);

/** A body that says itself that it is an error, whatever its status; in a list as Gemini has it. */
export const statedErrorSchema = z.preprocess(firstOfList, statedError);

/** The body of an error status: an error as above, or the detail alone. */
export const errorBodySchema = z.preprocess(firstOfList, z.union([statedError, errorDetail]));
export type ProviderError = z.infer<typeof errorDetail>;

function firstOfList(body: unknown): unknown {
  return Array.isArray(body) ? (body[0] as unknown) : body;
}

/** The parsed JSON, or undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Deeper than any tool call, and a tenth of where writing it as JSON again would run out of stack. */
const maxDepth = 300;

/** Whether it can be written as JSON again: what is passed on whole comes back as deep as it was sent. */
function isShallow(value: unknown): boolean {
  return exceededLimit(value, { maxDepth, maxValues: Infinity }) === null;
}

/** Reads a body whose JSON is there only when all of it is. */
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
    if (this.receivedBytes > this.maxBytes) this.control.breakOff({ kind: 'too-large' });
    else this.chunks.push(chunk);
  }

  end(): { readonly body: unknown } {
    return { body: parseJson(Buffer.concat(this.chunks).toString('utf8')) };
  }

  close(): void {}
}
