// The agent's worker: `node examples/agent-on-temporal/worker.mjs`, with OPENAI_BASE_URL and OPENAI_API_KEY of the gateway.
import { fileURLToPath } from 'node:url';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AiSdkPlugin } from '@temporalio/ai-sdk';
import { NativeConnection, Worker } from '@temporalio/worker';
import { gatewayFetch } from './gateway-fetch.mjs';

const { OPENAI_BASE_URL, OPENAI_API_KEY, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, AGENT_TASK_QUEUE } = process.env;
const gateway = { name: 'bellwether', baseURL: OPENAI_BASE_URL, apiKey: OPENAI_API_KEY, fetch: gatewayFetch };
// Either will do: OpenAI's provider speaks the Responses API, the other one chat completions.
const modelProvider = process.env.AGENT_API === 'responses' ? createOpenAI(gateway) : createOpenAICompatible(gateway);

const connection = await NativeConnection.connect({ address: TEMPORAL_ADDRESS ?? 'localhost:7233' });
const worker = await Worker.create({
  connection,
  namespace: TEMPORAL_NAMESPACE ?? 'default',
  taskQueue: AGENT_TASK_QUEUE ?? 'agents',
  workflowsPath: fileURLToPath(new URL('./workflows.mjs', import.meta.url)),
  activities: { findOrder: async (id) => ({ id, status: 'in transit', arrives: 'tomorrow' }) },
  plugins: [new AiSdkPlugin({ modelProvider })],
});
console.log('started');
await worker.run();
await connection.close();
