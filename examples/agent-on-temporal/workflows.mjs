// An agent of the AI SDK as a workflow: model calls and tools are activities, so it survives whatever its workers do not.
import { TemporalProvider } from '@temporalio/ai-sdk';
import { proxyActivities } from '@temporalio/workflow';
import { generateText, jsonSchema, stepCountIs, tool } from 'ai';

const { findOrder } = proxyActivities({ startToCloseTimeout: '10 seconds' });

const gateway = new TemporalProvider({
  languageModel: {
    // Longer than the longest turn of the gateway, which takes 200 s unless its configuration says otherwise.
    startToCloseTimeout: '5 minutes',
    // A lost worker is noticed after this; see gateway-fetch.mjs.
    heartbeatTimeout: '10 seconds',
  },
});

export async function supportAgent(question) {
  const { text } = await generateText({
    model: gateway.languageModel('bellwether'),
    prompt: question,
    tools: {
      find_order: tool({
        description: 'Finds an order by its number.',
        inputSchema: jsonSchema({ type: 'object', properties: { id: { type: 'number' } }, required: ['id'] }),
        execute: ({ id }) => findOrder(id),
      }),
    },
    stopWhen: stepCountIs(5),
    // Temporal tries again.
    maxRetries: 0,
  });
  return text;
}
