import type { ChatReply } from '../client';

/** One line that says who answered and what it took. */
export function footer(reply: ChatReply): string {
  const parts = [
    reply.model ? `${reply.provider} (${reply.model})` : reply.provider,
    `${reply.attempts} ${reply.attempts === 1 ? 'attempt' : 'attempts'}`,
    `${reply.latency_ms} ms`,
    `${reply.tokens_used} tokens`,
    `$${reply.cost_usd.toFixed(6)}`,
  ];
  if (reply.unconfirmed_usd > 0) parts.push(`and up to $${reply.unconfirmed_usd.toFixed(6)} unconfirmed`);
  if (reply.error) parts.push(reply.error);
  return parts.join(' · ');
}
