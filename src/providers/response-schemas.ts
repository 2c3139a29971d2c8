/** What we read of a provider's answers: as little as possible, so that whatever else they hold cannot break us. */
import { z } from 'zod';

const tokenCount = z.int().nonnegative();

const usageSchema = z.object({
  prompt_tokens: tokenCount,
  completion_tokens: tokenCount,
  prompt_tokens_details: z.object({ cached_tokens: tokenCount.nullish() }).nullish().catch(null),
});

export const completionSchema = z.object({
  model: z.string().nullish().catch(null),
  choices: z
    .array(z.object({ message: z.object({ content: z.string() }), finish_reason: z.string().nullish().catch(null) }))
    .min(1),
  // An answer with an unreadable usage is still an answer; its cost is then unknown.
  usage: usageSchema.nullish().catch(null),
});
export type Completion = z.infer<typeof completionSchema>;

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

/** `{error: {…}}` as OpenAI has it, the same in a list as Gemini has it, `{error: "…"}`, or the detail alone. */
export const errorBodySchema = z.preprocess(
  (body) => (Array.isArray(body) ? (body[0] as unknown) : body),
  z.union([
    z.object({ error: errorDetail }).transform((body) => body.error),
    z.object({ error: z.string() }).transform((body) => ({ message: body.error, type: null, code: null })),
    errorDetail,
  ]),
);
export type ProviderError = z.infer<typeof errorDetail>;

/** The parsed JSON, or undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
