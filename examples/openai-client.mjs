// @ts-check
/**
 * A backend service that knows OpenAI's client and nothing of Bellwether, whole.
 *
 *   npx bellwether up                    # in one terminal: it prints the address and the key
 *   export OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=bw_…
 *   node examples/openai-client.mjs      # in another
 */
import { randomUUID } from 'node:crypto';
import OpenAI, { APIError } from 'openai';

const client = new OpenAI(); // OPENAI_BASE_URL, OPENAI_API_KEY
const session = `example-${randomUUID()}`;

/**
 * Answers one message of a customer. The service remembers the conversation, so only what is new is sent.
 * @param {string} requestId of the request that brought the message: a repeated one gets the same answer, paid once
 * @param {string} content
 */
async function answer(requestId, content) {
  try {
    return await client.chat.completions.create(
      { model: 'bellwether', messages: [{ role: 'user', content }], user: 'customer-12345' },
      { headers: { 'X-Bellwether-Session': session, 'Idempotency-Key': requestId } },
    );
  } catch (error) {
    // `error.code` says what it was; some errors bring a text that can be shown to the customer.
    if (error instanceof APIError) console.error(`no answer: ${error.status} ${error.code}, ${error.requestID}`);
    throw error;
  }
}

const first = await answer(`${session}-1`, 'How do I track my order #ORD-789456?');
console.log(first.choices[0]?.message.content);

// A request that arrives twice, say after a lost connection, is one turn.
console.log(
  `same answer again: ${(await answer(`${session}-1`, 'How do I track my order #ORD-789456?')).id === first.id}`,
);

// Streamed: the text as the model writes it.
const stream = await client.chat.completions.create(
  {
    model: 'bellwether',
    messages: [{ role: 'user', content: '可以改送货地址吗？' }],
    stream: true,
    stream_options: { include_usage: true },
  },
  { headers: { 'X-Bellwether-Session': session } },
);
for await (const { choices, usage } of stream) {
  process.stdout.write(choices[0]?.delta.content ?? '');
  if (usage) console.log(`\n${usage.prompt_tokens} + ${usage.completion_tokens} tokens`);
}

try {
  await client.chat.completions.create({ model: 'no-such-model', messages: [{ role: 'user', content: 'Hello' }] });
} catch (error) {
  if (!(error instanceof APIError)) throw error;
  console.log(`${error.status} ${error.code}`);
}
