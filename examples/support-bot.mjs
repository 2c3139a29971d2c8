// @ts-check
/**
 * A backend service's use of Bellwether, whole: one customer asks two questions, then the session is closed.
 *
 *   npx bellwether up                  # in one terminal
 *   node examples/support-bot.mjs      # in another
 */
import { randomUUID } from 'node:crypto';
import { BudgetRefusedError, ConversationClosedError, QueueFullError, connect } from 'bellwether';

const bellwether = await connect();
const sessionId = `example-${randomUUID()}`;

/**
 * Answers one customer's message with the text to show.
 * @param {string} turnId the id of the request that brought the message: a repeated request gets the same answer
 * @param {string} content
 */
async function answer(turnId, content) {
  try {
    const reply = await bellwether.send({ sessionId, turnId, content, systemPrompt: 'You help customers of a shop.' });
    if (!reply.success) console.warn(`no model answered: ${reply.error}`);
    return reply.content;
  } catch (error) {
    if (error instanceof BudgetRefusedError) return error.reply.content;
    if (error instanceof QueueFullError) return 'One moment please, I am still answering your last messages.';
    throw error;
  }
}

const first = await answer(`${sessionId}-1`, 'How do I track my order #ORD-789456?');
console.log(first);
console.log(await answer(`${sessionId}-2`, '可以改送货地址吗？'));

// A request that arrives twice, say after a lost connection, is answered once.
console.log(`same answer again: ${(await answer(`${sessionId}-1`, 'How do I track my order #ORD-789456?')) === first}`);

const { turns, tokens, cost_usd } = await bellwether.spend(sessionId);
console.log(`${turns} turns, ${tokens} tokens, $${cost_usd.toFixed(6)}`);

await bellwether.close(sessionId, 'the customer said goodbye');
try {
  await bellwether.send({ sessionId, content: 'One more thing!' });
} catch (error) {
  if (!(error instanceof ConversationClosedError)) throw error;
  console.log('closed');
}
await bellwether.disconnect();
