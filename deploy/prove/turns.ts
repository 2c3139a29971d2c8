import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { payloadToJSON } from '@temporalio/common/lib/proto-utils';
import { temporal } from '@temporalio/proto';
import { conversationWorkflowId, searchAttributeNames } from '../../src/contract/names';
import { eventually } from './eventually';
import { untilHealthy } from './health';
import { asInContainer } from './image';
import { type CommandResult, run, runOrThrow } from './processes';
import { psql } from './servers';
import type { Stage } from './stage';

const simulatorReadyMs = 20_000;

/** Without faults, and with pauses in a streamed answer, in which its first pieces are on their way already. */
const simulatedModels = { 'deepseek-v3.2': { pieceGapMs: 50 }, 'gemini-2.5-flash': {}, 'legacy-chat': {} };

/** The provider that the turns call, in both roles: the new one and the one to migrate away from. */
export async function startSimulator(stage: Stage, image: string): Promise<void> {
  const options = JSON.stringify({ models: simulatedModels });
  const command = [process.execPath, 'dist/local/simulator/main.js', '--options', options];
  stage.processes.start('simulator', command, asInContainer(image));
  await eventually('simulator: its addresses', simulatorReadyMs, async () => {
    stage.processes.checkAlive();
    return stage.processes.log('simulator').includes('\n');
  });
  const [addresses = ''] = stage.processes.log('simulator').split('\n');
  const { baseUrl } = JSON.parse(addresses) as { baseUrl: string };
  stage.setVariables({
    HOLYSHEEP_BASE_URL: baseUrl,
    LEGACY_BASE_URL: baseUrl,
    LEGACY_API_KEY_FILE: '/run/secrets/providers/legacy',
  });
}

/** The compose file's set-up, twice, and what it must have made. Returns the names of the search attributes. */
export async function setUp(stage: Stage, image: string): Promise<readonly string[]> {
  const { command, environment } = stage.service('setup');
  await runOrThrow(command, { environment, ...asInContainer(image) });
  await runOrThrow(command, { environment, ...asInContainer(image) });
  const rights = stage.service('ledger-rights');
  await runOrThrow(rights.command, rights);
  await runOrThrow(rights.command, rights);
  const namespace = environment['TEMPORAL_NAMESPACE'] ?? '';
  const connection = await Connection.connect({ address: environment['TEMPORAL_ADDRESS'] ?? '' });
  try {
    await connection.workflowService.describeNamespace({ namespace });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = Object.values(searchAttributeNames).filter((name) => customAttributes?.[name] === undefined);
    if (missing.length > 0) throw new Error(`setup left out the search attributes ${missing.join(', ')}`);
    return Object.values(searchAttributeNames);
  } finally {
    await connection.close();
  }
}

/** As many workers as the compose file has replicas. Returns their names. */
export async function startWorkers(stage: Stage, image: string): Promise<readonly string[]> {
  const replicas = stage.translation.compose.services['worker']?.deploy?.replicas ?? 1;
  const names = Array.from({ length: replicas }, (_none, index) => `worker-${index + 1}`);
  for (const name of names) await startWorker(stage, image, name);
  return names;
}

/** One worker, once it is healthy. */
export async function startWorker(stage: Stage, image: string, name: string): Promise<void> {
  const worker = stage.service('worker');
  // Containers have a port 9464 each.
  const environment = { ...worker.environment, BELLWETHER_METRICS_PORT: '0' };
  stage.processes.start(name, worker.command, { environment, ...asInContainer(image) });
  await untilHealthy('worker', worker, stage.processes, asInContainer(image));
}

/** A command of ours as operators run it: in a worker's container. */
export function inWorker(stage: Stage, image: string, ...args: readonly string[]): Promise<CommandResult> {
  const { command, environment } = stage.service('worker');
  const [node = '', main = ''] = command;
  return run([node, main, ...args], { environment, ...asInContainer(image) });
}

/** Returns what it printed. Throws unless it succeeds. */
export async function inWorkerOrThrow(stage: Stage, image: string, ...args: readonly string[]): Promise<string> {
  const { status, output } = await inWorker(stage, image, ...args);
  if (status !== 0) throw new Error(`\`bellwether ${args.join(' ')}\` ended with status ${status}:\n${output}`);
  return output;
}

/** One turn through `bellwether chat`. Throws unless it was answered. */
export async function chat(stage: Stage, image: string, sessionId: string, message: string): Promise<string> {
  const output = await inWorkerOrThrow(stage, image, 'chat', '--json', '--session', sessionId, message);
  const reply = JSON.parse(output) as { success: boolean; provider: string; cost_usd: number; latency_ms: number };
  if (!reply.success) throw new Error(`The turn was not answered: ${output}`);
  return `${reply.provider}, ${reply.latency_ms} ms, $${reply.cost_usd.toFixed(6)}`;
}

/** Every payload of a conversation's history, as Temporal stores it. Throws when the history's bytes hold the text. */
export async function readEncryptedPayloads(
  stage: Stage,
  sessionId: string,
  text: string,
): Promise<readonly unknown[]> {
  const { environment } = stage.service('worker');
  const connection = await Connection.connect({ address: environment['TEMPORAL_ADDRESS'] ?? '' });
  try {
    const { history } = await connection.workflowService.getWorkflowExecutionHistory({
      namespace: environment['TEMPORAL_NAMESPACE'] ?? '',
      execution: { workflowId: conversationWorkflowId(sessionId) },
    });
    const bytes = Buffer.from(temporal.api.history.v1.History.encode(history ?? {}).finish());
    if (bytes.includes(text)) throw new Error('The history holds the message in plain text');
    const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    const updates = (history?.events ?? []).flatMap(
      (event) => event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.args?.payloads ?? [],
    );
    return [...started, ...updates].map(payloadToJSON);
  } finally {
    await connection.close();
  }
}

/** The codec endpoint of the compose file opens what the history holds, for the token and the UI's origin alone. */
export async function decodeForUi(stage: Stage, image: string, payloads: readonly unknown[]): Promise<string> {
  const codecServer = stage.service('codec-server');
  stage.processes.start('codec-server', codecServer.command, {
    environment: codecServer.environment,
    ...asInContainer(image),
  });
  await untilHealthy('codec-server', codecServer, stage.processes);
  const token = await readFile(join(stage.secretsDirectory, 'codec_token'), 'utf8');
  const decode = async (authorization: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${stage.port('codec-server')}/decode`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-namespace': 'bellwether',
        origin: `http://localhost:${stage.port('temporal-ui')}`,
        authorization,
      },
      body: JSON.stringify({ payloads }),
    });
  const refused = await decode('Bearer of-nothing');
  if (refused.status !== 401) throw new Error(`The codec endpoint answers ${refused.status} to a wrong token`);
  const answer = await decode(`Basic ${Buffer.from(`operator:${token}`).toString('base64')}`);
  if (!answer.ok) throw new Error(`The codec endpoint answers ${answer.status}: ${await answer.text()}`);
  const decoded = (await answer.json()) as { payloads: { data: string }[] };
  return decoded.payloads.map(({ data }) => Buffer.from(data, 'base64').toString()).join('\n');
}

/** Attempts that the ledger in PostgreSQL counts as settled. */
export async function settledAttempts(stage: Stage): Promise<number> {
  return Number(await psql(stage, 'bellwether', '--command', "SELECT count(*) FROM attempts WHERE state = 'settled'"));
}
