/** A turn of a transcript, with its messages in OpenAI's form. */
import { z } from 'zod';
import { type ChatMessage, chatRoles, type ChatReply, type Transcript, type TranscriptTurn } from '../../contract/chat';

const statuses = ['answered', 'failed', 'blocked', 'handed_over'] as const;

const messageSchema = z.looseObject({
  role: z.enum(chatRoles),
  content: z.unknown().describe('A text, a list of parts, or null.'),
});

export const transcriptTurnSchema = z.object({
  id: z.string(),
  created: z.int().describe('When it ended, in seconds since 1970.'),
  follows: z
    .string()
    .nullable()
    .describe(
      'The turn before it in the conversation; null: none, or one that was forgotten. To edit a message, send the new one with x-bellwether-after: this id.',
    ),
  status: z.enum(statuses).describe('`handed_over`: the message waits for a person.'),
  by: z.enum(['model', 'person']).nullable().describe('Who said the answer; null: there is none.'),
  author: z.string().optional().describe('The person, as the request that brought the message named them.'),
  messages: z.array(messageSchema).describe('What was said: the new messages, then the answer.'),
  model: z.string().nullable().describe('The model that answered.'),
  finish_reason: z.string().nullable(),
  cost_usd: z.number(),
});

type ShownTurn = z.output<typeof transcriptTurnSchema>;

export function toTranscriptTurns({ turns }: Pick<Transcript, 'turns'>): readonly ShownTurn[] {
  return turns.map((turn, index) => {
    const before = turns[index - 1]?.turnId ?? null;
    return toShownTurn(turn, turn.branch === undefined ? before : turn.branch.after);
  });
}

function toShownTurn(turn: TranscriptTurn, follows: string | null): ShownTurn {
  const { turnId, atMs, userContent, messages = [{ role: 'user', content: userContent }], reply } = turn;
  const status = statusOf(reply);
  const isAnswered = status === 'answered';
  return {
    id: turnId,
    created: Math.floor(atMs / 1000),
    follows,
    status,
    by: isAnswered ? (turn.person ? 'person' : 'model') : null,
    ...(turn.person?.author !== undefined && { author: turn.person.author }),
    messages: [...messages, ...(isAnswered ? [answerOf(reply)] : [])].map((message) => ({ ...message })),
    model: reply.model,
    finish_reason: isAnswered ? (reply.finish_reason ?? null) : null,
    cost_usd: reply.cost_usd,
  };
}

function statusOf({ blocked, success, handed_over: isHandedOver }: ChatReply): ShownTurn['status'] {
  if (isHandedOver) return 'handed_over';
  if (blocked) return 'blocked';
  return success ? 'answered' : 'failed';
}

function answerOf({ content, refusal, tool_calls }: ChatReply): ChatMessage & { readonly refusal?: string } {
  const isEmpty = content === '' && (tool_calls !== undefined || refusal !== undefined);
  return {
    role: 'assistant',
    content: isEmpty ? null : content,
    ...(refusal !== undefined && { refusal }),
    ...(tool_calls !== undefined && { tool_calls }),
  };
}
