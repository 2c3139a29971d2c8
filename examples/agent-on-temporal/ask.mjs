// Asks the agent: `node examples/agent-on-temporal/ask.mjs 'Where is order 7?'`
import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';

const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, AGENT_TASK_QUEUE } = process.env;

const connection = await Connection.connect({ address: TEMPORAL_ADDRESS ?? 'localhost:7233' });
const client = new Client({ connection, namespace: TEMPORAL_NAMESPACE ?? 'default' });
const answer = await client.workflow.execute('supportAgent', {
  workflowId: `agent/${randomUUID()}`,
  taskQueue: AGENT_TASK_QUEUE ?? 'agents',
  args: [process.argv[2] ?? 'Where is order 7?'],
});
console.log(answer);
await connection.close();
