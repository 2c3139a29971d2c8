/** A turn's reply as OpenAI's chat completion: the same reply gives the same bytes, always. */
import { z } from 'zod';
import type { ChatReply, ReplyUsage } from '../contract/chat';
import { answerFlags } from '../contract/user-evidence';

/** What Bellwether knows of a turn beyond OpenAI's fields; its clients ignore it. */
export const turnFactsSchema = z.object({
  turn_id: z.string(),
  provider: z.string().describe('The target that answered, by its role in the chain: holysheep-primary.'),
  handler: z.string().nullable().describe('The arm or chain that took the turn; null when a budget refused it.'),
  canary: z.boolean().describe('True when a rollout sent the turn to its new arm.'),
  rescued: z
    .literal(true)
    .optional()
    .describe("Only when the rollout's old arm answered, because its new one could not."),
  handed_over: z
    .literal(true)
    .optional()
    .describe('Only when a person answers in the session: the message waits, and no model was called.'),
  attempts: z.int().describe('Model calls made, over all targets.'),
  latency_ms: z.number(),
  cost_usd: z.number().describe('What providers confirmed, in US dollars.'),
  unconfirmed_usd: z.number().describe('What attempts of unknown outcome may have cost on top.'),
  remaining_budget: z.number().describe("US dollars left of the day's budget."),
  flags: z.array(z.enum(answerFlags)).optional().describe('What seems to be wrong with the answer. Absent: nothing.'),
  trace_id: z.string().optional().describe('Of the trace that the turn belongs to. Absent: it is not traced.'),
});

export type TurnFacts = z.output<typeof turnFactsSchema>;

export function turnFacts(reply: ChatReply): TurnFacts {
  const { turn_id, provider, handler, canary, attempts, latency_ms, cost_usd, unconfirmed_usd, remaining_budget } =
    reply;
  const facts = {
    turn_id,
    provider,
    handler,
    canary,
    attempts,
    latency_ms,
    cost_usd,
    unconfirmed_usd,
    remaining_budget,
  };
  return {
    ...facts,
    ...(reply.rescued && { rescued: true }),
    ...(reply.handed_over && { handed_over: true }),
    ...(reply.flags && { flags: [...reply.flags] }),
    ...(reply.trace_id !== undefined && { trace_id: reply.trace_id }),
  };
}

/** The turn's id and moment, as registered: both are part of the answer's bytes. */
export interface RegisteredTurn {
  readonly turnId: string;
  readonly createdAtMs: number;
}

const toolCallSchema = z.looseObject({ id: z.string(), type: z.string() });

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({
    cached_tokens: z.int(),
    cache_write_tokens: z.int().optional().describe('Where the provider wrote some of the prompt to its cache.'),
  }),
  completion_tokens_details: z
    .object({ reasoning_tokens: z.int() })
    .optional()
    .describe('Where the provider tells how many tokens the model thought with.'),
});

export const completionSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string().describe('The model that answered.'),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.string().nullable().describe('Why the model does not answer, in its own words.'),
        reasoning_content: z.string().optional().describe('What the model thought before it answered, if it tells.'),
        tool_calls: z.array(toolCallSchema).optional(),
      }),
      logprobs: z.null(),
      finish_reason: z.string(),
    }),
  ),
  usage: usageSchema,
  bellwether: turnFactsSchema,
});

export type Completion = z.output<typeof completionSchema>;

export function completionId(turnId: string): string {
  return `chatcmpl-${turnId}`;
}

export function createdOf({ createdAtMs }: RegisteredTurn): number {
  return Math.floor(createdAtMs / 1000);
}

export function toCompletion(reply: ChatReply, turn: RegisteredTurn): Completion {
  const toolCalls = reply.tool_calls?.map((call) => ({ ...call }));
  return {
    id: completionId(turn.turnId),
    object: 'chat.completion',
    created: createdOf(turn),
    model: modelOf(reply),
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: (toolCalls || reply.refusal) && reply.content === '' ? null : reply.content,
          refusal: reply.refusal ?? null,
          ...(reply.reasoning_content !== undefined && { reasoning_content: reply.reasoning_content }),
          ...(toolCalls && { tool_calls: toolCalls }),
        },
        logprobs: null,
        finish_reason: finishReasonOf(reply),
      },
    ],
    usage: usageOf(reply),
    bellwether: turnFacts(reply),
  };
}

export function modelOf({ model, provider }: ChatReply): string {
  return model ?? provider;
}

export function finishReasonOf({ finish_reason, tool_calls }: ChatReply): string {
  return finish_reason ?? (tool_calls ? 'tool_calls' : 'stop');
}

/** Of the turn's calls; a provider that does not count tells nothing that could be split. */
export function usageOf({ usage, tokens_used }: ChatReply): z.output<typeof usageSchema> {
  const told: ReplyUsage = usage ?? {
    prompt_tokens: tokens_used,
    completion_tokens: 0,
    cached_tokens: 0,
  };
  const { prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens } = told;
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens, ...(cache_write_tokens !== undefined && { cache_write_tokens }) },
    ...(reasoning_tokens !== undefined && { completion_tokens_details: { reasoning_tokens } }),
  };
}
