/** A turn's reply as OpenAI's text completion, whole and in chunks: the same reply gives the same bytes, always. */
import { z } from 'zod';
import type { ChatReply } from '../../contract/chat';
import {
  createdOf,
  finishReasonOf,
  modelOf,
  type RegisteredTurn,
  turnFacts,
  turnFactsSchema,
  usageOf,
  usageSchema,
} from '../completion';

const choiceSchema = z.object({
  text: z.string(),
  index: z.int(),
  logprobs: z.null(),
  finish_reason: z.string().nullable(),
});

export const textCompletionSchema = z.object({
  id: z.string(),
  object: z.literal('text_completion'),
  created: z.int(),
  model: z.string().describe('The model that answered; in a stream, as the request named it until the text is whole.'),
  choices: z.array(choiceSchema),
  usage: usageSchema.nullable().optional(),
  bellwether: turnFactsSchema.optional(),
});

type TextCompletion = z.output<typeof textCompletionSchema>;

export function toTextCompletion(reply: ChatReply, turn: RegisteredTurn): TextCompletion {
  return {
    ...frameOf(turn, modelOf(reply)),
    choices: [choice(reply.content || (reply.refusal ?? ''), finishReasonOf(reply))],
    usage: usageOf(reply),
    bellwether: turnFacts(reply),
  };
}

export class TextChunks {
  constructor(
    private readonly turn: RegisteredTurn,
    private readonly requestedModel: string,
    private readonly withUsage: boolean,
  ) {}

  /** Texts have no role: a stream begins with an empty one. */
  role(): TextCompletion {
    return this.text('');
  }

  text(text: string): TextCompletion {
    return { ...frameOf(this.turn, this.requestedModel), choices: [choice(text)], ...this.noUsageYet() };
  }

  *ending(reply: ChatReply): Generator<TextCompletion> {
    const frame = frameOf(this.turn, modelOf(reply));
    const finish = { ...frame, choices: [choice(reply.refusal ?? '', finishReasonOf(reply))] };
    if (!this.withUsage) {
      yield { ...finish, bellwether: turnFacts(reply) };
      return;
    }
    yield { ...finish, ...this.noUsageYet() };
    yield { ...frame, choices: [], usage: usageOf(reply), bellwether: turnFacts(reply) };
  }

  private noUsageYet(): Pick<TextCompletion, 'usage'> {
    return this.withUsage ? { usage: null } : {};
  }
}

function frameOf(turn: RegisteredTurn, model: string): Omit<TextCompletion, 'choices'> {
  return { id: `cmpl-${turn.turnId}`, object: 'text_completion', created: createdOf(turn), model };
}

function choice(text: string, finishReason: string | null = null): z.output<typeof choiceSchema> {
  return { text, index: 0, logprobs: null, finish_reason: finishReason };
}
