import { z } from 'zod';
import type { ChatReply } from '../../contract/chat';
import { toUsd } from '../../domain/turn/prices';

/** What Bellwether knows of a request beyond OpenAI's fields; its clients ignore it. */
export const requestFactsSchema = z.object({
  turn_id: z.string().describe('Of the first call; further ones have -2, -3, … behind it.'),
  provider: z.string().describe('The target that answered: provider/model.'),
  calls: z.int().describe('Turns into which the request was split.'),
  attempts: z.int().describe('Model calls made, over all targets and turns.'),
  latency_ms: z.number().describe('Of the slowest turn.'),
  cost_usd: z.number().describe('What providers confirmed, in US dollars.'),
  unconfirmed_usd: z.number().describe('What attempts of unknown outcome may have cost on top.'),
  remaining_budget: z.number().describe("US dollars left of the day's budget."),
});

export function requestFacts(replies: readonly [ChatReply, ...ChatReply[]]): z.output<typeof requestFactsSchema> {
  const [{ turn_id, provider }] = replies;
  return {
    turn_id,
    provider,
    calls: replies.length,
    attempts: sum(replies, ({ attempts }) => attempts),
    latency_ms: Math.max(...replies.map(({ latency_ms }) => latency_ms)),
    cost_usd: toUsd(sum(replies, ({ cost_nano_usd = 0 }) => cost_nano_usd)),
    unconfirmed_usd: toUsd(sum(replies, ({ unconfirmed_nano_usd = 0 }) => unconfirmed_nano_usd)),
    remaining_budget: Math.min(...replies.map(({ remaining_budget }) => remaining_budget)),
  };
}

export function promptTokensOf(replies: readonly ChatReply[]): number {
  return sum(replies, ({ usage }) => usage?.prompt_tokens ?? 0);
}

function sum(replies: readonly ChatReply[], value: (reply: ChatReply) => number): number {
  return replies.reduce((total, reply) => total + value(reply), 0);
}
