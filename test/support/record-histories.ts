/**
 * Records the histories that test/replay.test.ts replays, through a real service. Run by hand. It writes only
 * files that are missing: what was recorded with older code is what shows that newer code still runs it. Whoever changes
 * what the workflows do on purpose, before any release, removes the files first.
 *
 *     node --require ./test/support/register-typescript.js test/support/record-histories.ts
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { conversationWorkflowId, turnWorkflowId } from '../../src/contract/names';
import { BudgetRefusedError } from '../../src/client/errors';
import globalSetup from './global-setup';
import globalTeardown from './global-teardown';
import { fallbackModel, primaryModel, startService, type Service, type ServiceOptions } from './service';

const directory = join(__dirname, '../histories');

interface Recording {
  readonly file: string;
  readonly configuration?: ServiceOptions['configuration'];
  readonly record: (service: Service) => Promise<unknown>;
}

const recordings: readonly Recording[] = [
  { file: 'two-plain-turns.json', record: twoPlainTurns },
  {
    file: 'failing-targets.json',
    // Small delays, so that a recording of retries takes no minute.
    configuration: { retry: { maxAttemptsPerTarget: 2, baseDelayMs: 20, delayJitterMs: 10 } },
    record: failingTargets,
  },
  { file: 'refused-turn.json', configuration: { budgets: { sessionUsd: '0.000001' } }, record: refusedTurn },
  { file: 'one-shot.json', record: oneShot },
];

async function main(): Promise<void> {
  await globalSetup();
  try {
    for (const { file, configuration, record } of recordings) {
      const path = join(directory, file);
      if (existsSync(path)) continue;
      const service = await startService({ configuration });
      try {
        writeFileSync(
          path,
          `${JSON.stringify(await record(service), null, 2)}
`,
        );
      } finally {
        await service.stop();
      }
    }
  } finally {
    await globalTeardown();
  }
}

const unavailable = { kind: 'status', status: 503 } as const;

async function twoPlainTurns({ client, temporal }: Service): Promise<unknown> {
  const sessionId = 'two-plain-turns';
  await client.send({ sessionId, turnId: 'plain-1', content: 'Where is my order?' });
  await client.send({ sessionId, turnId: 'plain-2', content: 'And when does it arrive?' });
  await client.close(sessionId, 'recorded');
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return fetchHistory(temporal, conversationWorkflowId(sessionId));
}

/** The primary fails once and answers; then only the fallback answers; then nobody does. */
async function failingTargets({ client, temporal, simulator }: Service): Promise<unknown> {
  const sessionId = 'failing-targets';
  await simulator.queueFaults(primaryModel, [unavailable]);
  await client.send({ sessionId, turnId: 'retried', content: 'Where is my order?' });
  await simulator.setBehaviour(primaryModel, { alwaysFault: unavailable });
  await client.send({ sessionId, turnId: 'fallen-back', content: 'Hello?' });
  await simulator.setBehaviour(fallbackModel, { alwaysFault: unavailable });
  await client.send({ sessionId, turnId: 'degraded', content: '我的订单在哪里？' });
  await simulator.setBehaviour('*', { alwaysFault: null });
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return fetchHistory(temporal, conversationWorkflowId(sessionId));
}

async function oneShot({ client, temporal }: Service): Promise<unknown> {
  await client.complete({ turnId: 'one-shot', messages: [{ role: 'user', content: 'Where is my order?' }] });
  return fetchHistory(temporal, turnWorkflowId('one-shot'));
}

async function refusedTurn({ client, temporal }: Service): Promise<unknown> {
  const sessionId = 'refused-turn';
  await client.send({ sessionId, turnId: 'refused', content: 'Where is my order?' }).catch((error: unknown) => {
    if (!(error instanceof BudgetRefusedError)) throw error;
  });
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return fetchHistory(temporal, conversationWorkflowId(sessionId));
}

async function fetchHistory(temporal: Service['temporal'], workflowId: string, runId?: string): Promise<unknown> {
  const history = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
  return withoutIdentities(JSON.parse(historyToJSON(history)));
}

/** Identities, sticky queues, stack traces and the owners in tickets name the recording machine; nothing of a replay depends on them. */
function withoutIdentities(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((inner) => withoutIdentities(inner));
  if (typeof value === 'string') return withoutIdentity(key, value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutIdentities(inner, name)]));
}

function withoutIdentity(key: string, value: string): string {
  if (key === 'identity' || key === 'workerIdentity') return 'recorded';
  if (key === 'stackTrace') return '';
  if (key === 'name') return value.replace(/^\d+@.*$/u, 'recorded');
  if (key !== 'data') return value;
  const payload = Buffer.from(value, 'base64').toString();
  const changed = payload.replaceAll(/"owner":"[^"]*"/gu, '"owner":"recorded"');
  return changed === payload ? value : Buffer.from(changed).toString('base64');
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
