import type { Client } from '@temporalio/client';

/** All text of a workflow's history, its payloads decoded. */
export async function wordsOfHistory(client: Client, workflowId: string): Promise<string> {
  const history = await client.workflow.getHandle(workflowId).fetchHistory();
  const words: string[] = [];
  collect(history, words);
  return words.join('\n');
}

function collect(value: unknown, words: string[]): void {
  if (typeof value === 'string') words.push(value);
  else if (value instanceof Uint8Array) words.push(Buffer.from(value).toString('utf8'));
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) collect(each, words);
}
