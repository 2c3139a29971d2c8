/** The chunks of a streamed completion, in OpenAI's form. */
import { z } from 'zod';
import type { ChatReply } from '../contract/chat';
import {
  completionId,
  createdOf,
  finishReasonOf,
  modelOf,
  type RegisteredTurn,
  turnFacts,
  turnFactsSchema,
  usageOf,
  usageSchema,
} from './completion';

const deltaSchema = z.object({
  role: z.literal('assistant').optional(),
  content: z.string().optional(),
  refusal: z.string().optional(),
  reasoning_content: z.string().optional(),
  tool_calls: z.array(z.looseObject({ index: z.int(), id: z.string(), type: z.string() })).optional(),
});

export const chunkSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string().describe('As the request named it until the answer is whole; then the model that answered.'),
  choices: z.array(
    z.object({
      index: z.int(),
      delta: deltaSchema,
      logprobs: z.null(),
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: usageSchema.nullable().optional(),
  bellwether: turnFactsSchema.optional(),
});

export type Chunk = z.output<typeof chunkSchema>;

export class Chunks {
  constructor(
    private readonly turn: RegisteredTurn,
    private readonly requestedModel: string,
    private readonly withUsage: boolean,
  ) {}

  /** The first delta of every stream. */
  role(): Chunk {
    return this.chunk({ role: 'assistant', content: '' });
  }

  text(content: string): Chunk {
    return this.chunk({ content });
  }

  /** What follows the last text: the model's thoughts, a refusal and tool calls whole, why the model stopped, and usage and facts in the last one of all. */
  *ending(reply: ChatReply): Generator<Chunk> {
    const model = modelOf(reply);
    if (reply.reasoning_content !== undefined) {
      yield { ...this.chunk({ reasoning_content: reply.reasoning_content }), model };
    }
    if (reply.refusal) yield { ...this.chunk({ refusal: reply.refusal }), model };
    if (reply.tool_calls && reply.tool_calls.length > 0) {
      yield { ...this.chunk({ tool_calls: reply.tool_calls.map((call, index) => ({ index, ...call })) }), model };
    }
    const finish = { ...this.chunk({}, finishReasonOf(reply)), model };
    if (!this.withUsage) {
      yield { ...finish, bellwether: turnFacts(reply) };
      return;
    }
    yield finish;
    yield { ...finish, choices: [], usage: usageOf(reply), bellwether: turnFacts(reply) };
  }

  private chunk(delta: z.output<typeof deltaSchema>, finishReason: string | null = null): Chunk {
    return {
      id: completionId(this.turn.turnId),
      object: 'chat.completion.chunk',
      created: createdOf(this.turn),
      model: this.requestedModel,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
      ...(this.withUsage && { usage: null }),
    };
  }
}
