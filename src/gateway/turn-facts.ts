import { z } from 'zod';
import type { ChatReply } from '../contract/chat';

/** What Bellwether knows of a turn beyond OpenAI's fields; its clients ignore it. */
export const turnFactsSchema = z.object({
  turn_id: z.string(),
  provider: z.string().describe('The target that answered, by its role in the chain: holysheep-primary.'),
  handler: z.string().nullable().describe('The arm that took the turn; null when a budget refused it.'),
  canary: z.boolean().describe('True when a rollout sent the turn to its new arm.'),
  attempts: z.int().describe('Model calls made, over all targets.'),
  latency_ms: z.number(),
  cost_usd: z.number().describe('What providers confirmed, in US dollars.'),
  unconfirmed_usd: z.number().describe('What attempts of unknown outcome may have cost on top.'),
  remaining_budget: z.number().describe("US dollars left of the day's budget."),
});

export type TurnFacts = z.output<typeof turnFactsSchema>;

export function turnFacts(reply: ChatReply): TurnFacts {
  const { turn_id, provider, handler, canary, attempts, latency_ms, cost_usd, unconfirmed_usd, remaining_budget } =
    reply;
  return { turn_id, provider, handler, canary, attempts, latency_ms, cost_usd, unconfirmed_usd, remaining_budget };
}
