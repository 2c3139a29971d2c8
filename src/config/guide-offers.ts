import type { Offer } from '../domain/guide/bill-comparison';
import { guideCase } from '../domain/guide/guide-figures';
import { standardPrice } from './policy';

/**
 * What the migration guide compares, the legacy provider first, at the prices of `defaults.ts`. The latencies of the
 * two sides of the migration are measurements from its case study; the others come from the guide's table.
 */
export function guideOffers(): readonly Offer[] {
  const { legacy, holysheep } = guideCase;
  return [
    {
      ...offer('Legacy provider', 'legacy-chat', legacy.latencyMs),
      timeoutPercent: legacy.timeoutPercent,
    },
    {
      ...offer('HolySheep AI', 'deepseek-v3.2', holysheep.latencyMs),
      timeoutPercent: holysheep.timeoutPercent,
    },
    offer('Google', 'gemini-2.5-flash', 280),
    offer('OpenAI', 'gpt-4.1', 300),
    offer('Anthropic', 'claude-sonnet-4.5', 350),
  ];
}

function offer(provider: string, model: string, averageLatencyMs: number): Offer {
  return { provider, model, price: standardPrice(model), averageLatencyMs, timeoutPercent: null };
}
