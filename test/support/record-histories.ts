/**
 * Records the histories that test/replay.test.ts replays, through a real service. Run it by hand. It writes only
 * missing files: histories recorded with older code prove that newer code still replays them. To change what the
 * workflows do before the first release, remove the files first.
 *
 *     node --require ./test/support/register-typescript.js test/support/record-histories.ts
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  canaryRolloutWorkflowType,
  conversationWorkflowId,
  feedbackWorkflowId,
  rolloutWorkflowId,
  searchAttributeNames,
  spendQuery,
  turnFeedbackWorkflowType,
  turnWorkflowId,
} from '../../src/contract/names';
import type { RolloutResult } from '../../src/contract/rollout';
import { BudgetRefusedError } from '../../src/client/errors';
import { RolloutClient } from '../../src/client/rollout-client';
import { faults } from '../../src/local/simulator/behaviour';
import { entry } from '../ledger/rollout-entries';
import globalSetup from './global-setup';
import globalTeardown from './global-teardown';
import { prepareRolloutService } from './rollout-service';
import { shortRolloutSpec, unhurriedRolloutSpec } from './rollout-spec';
import { fallbackModel, primaryModel, prepareService, type Service, type ServiceOptions } from './service';
import { temporalBinary, testNamespace } from './temporal';

const directory = join(__dirname, '../histories');

interface Recording {
  /** One for each history that `record` returns. */
  readonly files: readonly string[];
  readonly configuration?: ServiceOptions['configuration'];
  /** All traffic starts on a legacy arm. */
  readonly legacyArm?: boolean;
  /** `record` starts the workers itself. */
  readonly withoutWorker?: boolean;
  /** Default: the server of global-setup. */
  readonly startTemporal?: () => Promise<OwnTemporal>;
  readonly record: (service: Service) => Promise<readonly unknown[]>;
}

interface OwnTemporal {
  readonly temporal: NonNullable<ServiceOptions['temporal']>;
  readonly stop: () => Promise<void>;
}

const embeddingModel = 'text-embedding-3-small';

const recordings: readonly Recording[] = [
  { files: ['two-plain-turns.json'], record: twoPlainTurns },
  {
    files: ['failing-targets.json'],
    // Short delays, so that recording retries does not take minutes.
    configuration: { retry: { maxAttemptsPerTarget: 2, baseDelayMs: 20, delayJitterMs: 10 } },
    record: failingTargets,
  },
  { files: ['waiting-turns.json'], record: waitingTurns },
  { files: ['refused-turn.json'], configuration: { budgets: { sessionUsd: '0.000001' } }, record: refusedTurn },
  { files: ['one-shot.json'], record: oneShot },
  {
    files: ['embeddings.json', 'failed-embeddings.json'],
    configuration: {
      embeddings: { [embeddingModel]: { targets: [{ provider: 'holysheep', price: 0.02 }] } },
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 20, delayJitterMs: 10 },
    },
    record: embeddings,
  },
  {
    files: ['regular-first-attempt.json'],
    configuration: {
      arms: {
        holysheep: {
          targets: [target('holysheep-primary', primaryModel), target('holysheep-fallback', fallbackModel)],
        },
      },
      defaultArm: 'holysheep',
      retry: { maxAttemptsPerTarget: 2, baseDelayMs: 20, delayJitterMs: 10 },
    },
    record: regularFirstAttempt,
  },
  {
    files: ['continued-run-1.json', 'continued-run-2.json'],
    startTemporal: startTemporalWithShortRuns,
    record: continuedConversation,
  },
  { files: ['branched-turns.json'], record: branchedTurns },
  { files: ['handed-over-session.json'], record: handedOverSession },
  { files: ['rollout-to-the-end.json'], legacyArm: true, record: rolloutToTheEnd },
  { files: ['rollout-by-users.json'], legacyArm: true, record: rolloutByUsers },
  { files: ['rollout-promoted-after-its-end.json'], legacyArm: true, record: rolloutPromotedAfterItsEnd },
  {
    files: ['rollout-with-a-backlog-1.json', 'rollout-with-a-backlog-2.json'],
    legacyArm: true,
    withoutWorker: true,
    startTemporal: startTemporalWithShortRuns,
    record: rolloutWithBacklog,
  },
  { files: ['rescued-turn.json', 'turn-feedback.json'], legacyArm: true, record: rescuedAndRatedTurn },
];

async function main(): Promise<void> {
  await globalSetup();
  try {
    for (const recording of recordings) {
      if (recording.files.some(isMissing)) await recordMissing(recording);
    }
  } finally {
    await globalTeardown();
  }
}

async function recordMissing({
  files,
  configuration,
  legacyArm,
  withoutWorker,
  startTemporal,
  record,
}: Recording): Promise<void> {
  const own = await startTemporal?.();
  try {
    const options = { configuration, temporal: own?.temporal };
    const service = legacyArm ? await prepareRolloutService(options) : await prepareService(options);
    if (!withoutWorker) await service.startWorker();
    try {
      const histories = await record(service);
      for (const [index, file] of files.entries()) {
        if (isMissing(file)) writeFileSync(join(directory, file), `${JSON.stringify(histories[index], null, 2)}\n`);
      }
    } finally {
      await service.stop();
    }
  } finally {
    await own?.stop();
  }
}

function isMissing(file: string): boolean {
  return !existsSync(join(directory, file));
}

function target(name: string, model: string) {
  return { name, provider: 'holysheep', model, firstAttempt: 'regular' } as const;
}

const unavailable = { kind: 'status', status: 503 } as const;

async function twoPlainTurns({ client, temporal }: Service): Promise<readonly unknown[]> {
  const sessionId = 'two-plain-turns';
  await client.send({ sessionId, turnId: 'plain-1', content: 'Where is my order?' });
  await client.send({ sessionId, turnId: 'plain-2', content: 'And when does it arrive?' });
  await client.close(sessionId, 'recorded');
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** The primary fails once and then answers; then only the fallback answers; then no target does. */
async function failingTargets({ client, temporal, simulator }: Service): Promise<readonly unknown[]> {
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
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** Four concurrent turns of a session, of which the second fails: each starts when the previous one has ended. */
async function waitingTurns({ client, temporal, simulator }: Service): Promise<readonly unknown[]> {
  const sessionId = 'waiting-turns';
  await simulator.setBehaviour(primaryModel, { latency: { kind: 'fixed', ms: 400 } });
  const lostCall = [{ role: 'tool', tool_call_id: 'call-of-nobody', content: '21 degrees' }] as const;
  const ended = await Promise.allSettled(
    [
      { turnId: 'first', content: 'Where is my order?' },
      { turnId: 'failing', content: '', messages: lostCall },
      { turnId: 'after-a-failure', content: 'And when does it arrive?' },
      { turnId: 'last', content: 'Thank you.' },
    ].map(async (message, index) => {
      // In this order, and all while the first turn's model call is running.
      await sleep(index * 80);
      return client.send({ sessionId, ...message });
    }),
  );
  if (ended.filter(({ status }) => status === 'rejected').length !== 1) throw new Error('One of them should fail.');
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** The second turn's provider is away. */
async function embeddings({ client, temporal, simulator }: Service): Promise<readonly unknown[]> {
  const ask = (turnId: string) =>
    client.requestChecked({
      turnId,
      operation: 'embeddings',
      model: embeddingModel,
      modelOptions: { input: ['Where is my order?', 'How do I pay?'], dimensions: 4 },
    });
  await ask('embeddings');
  await simulator.goDown();
  await ask('failed-embeddings');
  return [
    await fetchHistory(temporal, turnWorkflowId('embeddings', null)),
    await fetchHistory(temporal, turnWorkflowId('failed-embeddings', null)),
  ];
}

async function oneShot({ client, temporal }: Service): Promise<readonly unknown[]> {
  await client.complete({ turnId: 'one-shot', messages: [{ role: 'user', content: 'Where is my order?' }] });
  return [await fetchHistory(temporal, turnWorkflowId('one-shot', null))];
}

async function refusedTurn({ client, temporal }: Service): Promise<readonly unknown[]> {
  const sessionId = 'refused-turn';
  await client.send({ sessionId, turnId: 'refused', content: 'Where is my order?' }).catch((error: unknown) => {
    if (!(error instanceof BudgetRefusedError)) throw error;
  });
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** Slow targets answer in a regular activity from the start; the second turn's call is retried. */
async function regularFirstAttempt({ client, temporal, simulator }: Service): Promise<readonly unknown[]> {
  const sessionId = 'regular-first-attempt';
  await client.send({ sessionId, turnId: 'answered', content: 'Where is my order?' });
  await simulator.queueFaults(primaryModel, [unavailable]);
  await client.send({ sessionId, turnId: 'retried', content: 'Hello?' });
  await simulator.setBehaviour(primaryModel, { alwaysFault: unavailable });
  await client.send({ sessionId, turnId: 'fallen-back', content: 'And when does it arrive?' });
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** A run that ended because its history was long, and the following run, which knows the first one's answers. */
async function continuedConversation({ client, temporal }: Service): Promise<readonly unknown[]> {
  const sessionId = 'continued';
  const workflowId = conversationWorkflowId(sessionId);
  const currentRun = async () => (await temporal.workflow.getHandle(workflowId).describe()).runId;
  await client.send({ sessionId, turnId: 'turn-1', content: 'Where is my order?' });
  const firstRun = await currentRun();
  for (let turn = 2; (await currentRun()) === firstRun; turn += 1) {
    await client.send({ sessionId, turnId: `turn-${turn}`, content: 'And when does it arrive?' });
    // The update is answered before the end of its task creates the next run.
    await temporal.workflow.getHandle(workflowId).query(spendQuery);
  }
  await client.send({ sessionId, turnId: 'turn-1', content: 'Where is my order?' });
  await client.send({ sessionId, turnId: 'turn-of-next-run', content: 'Thank you.' });
  const secondRun = await currentRun();
  await client.close(sessionId);
  await temporal.workflow.getHandle(workflowId).result();
  return [await fetchHistory(temporal, workflowId, firstRun), await fetchHistory(temporal, workflowId, secondRun)];
}

/** A message that is edited, then the conversation from before the edit, and one that begins anew. */
async function branchedTurns({ client, temporal }: Service): Promise<readonly unknown[]> {
  const sessionId = 'branched-turns';
  const earlier = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hello! How can I help you?' },
  ] as const;
  await client.send({ sessionId, turnId: 'first', content: 'Where is my order?', branch: { after: null } });
  await client.send({ sessionId, turnId: 'second', content: 'And the invoice?', branch: { after: 'first' } });
  await client.send({ sessionId, turnId: 'edited', content: 'And the refund?', branch: { after: 'first' } });
  await client.send({ sessionId, turnId: 'back', content: 'Thank you.', branch: { after: 'second' } });
  await client.send({ sessionId, turnId: 'anew', content: 'Hello?', branch: { after: null, history: earlier } });
  await client.send({ sessionId, turnId: 'latest', content: 'And now?' });
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** Its idle timer is replaced twice: when a person takes over, and when the model answers again. */
async function handedOverSession({ client, temporal }: Service): Promise<readonly unknown[]> {
  const sessionId = 'handed-over-session';
  await client.send({ sessionId, turnId: 'before', content: 'Where is my order?' });
  await client.handOver(sessionId, { reason: 'Asked for a person.' });
  await client.send({ sessionId, turnId: 'meanwhile', content: 'Hello?' });
  await client.addMessage(sessionId, { messageId: 'of-ann', content: 'It left today.', author: 'Ann' });
  await client.giveBack(sessionId);
  await client.send({ sessionId, turnId: 'after', content: 'Thank you.' });
  await client.close(sessionId);
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  return [await fetchHistory(temporal, conversationWorkflowId(sessionId))];
}

/** Two steps decided by the evidence, with operators in between, and the end. */
async function rolloutToTheEnd({ client, temporal, settings }: Service): Promise<readonly unknown[]> {
  const spec = shortRolloutSpec({
    name: 'to-the-end',
    steps: [
      { percent: 50, nominalEndMs: 1_000, minimumBakeMs: 500 },
      { percent: 80, nominalEndMs: 2_000, minimumBakeMs: 500 },
    ],
  });
  const rollouts = new RolloutClient(temporal, settings.temporal.taskQueue);
  await rollouts.start(spec);
  await rollouts.command(spec.name, 'pause', { actor: 'ann', reason: 'lunch' });
  await rollouts.command(spec.name, 'promote', { actor: 'bob' });
  await rollouts.command(spec.name, 'resume', { actor: 'ann' });
  const workflow = temporal.workflow.getHandle(rolloutWorkflowId(spec.name));
  for (let turn = 1; (await rollouts.execution(spec.name)) === 'running'; turn += 1) {
    await client.complete({
      turnId: `to-the-end-${turn}`,
      userId: `user-${turn}`,
      messages: [{ role: 'user', content: 'Where is my order?' }],
    });
  }
  return [await fetchHistory(temporal, workflow.workflowId)];
}

/** Under rule 2: limits of the first bake, an excluded time, a step by the evidence, a share held back, and the end. */
async function rolloutByUsers({ client, temporal, settings }: Service): Promise<readonly unknown[]> {
  const short = shortRolloutSpec({ name: 'by-users', rule: 2, languages: ['zh'], holdbackPercent: 5 });
  const gates = { ...short.gates, userWindowMs: 300, longestCallMs: 1_000 };
  const spec = {
    ...short,
    gates,
    steps: [{ percent: 50, nominalEndMs: 5_000, minimumBakeMs: 1_000 }],
    intervalMs: 1_000,
  };
  const rollouts = new RolloutClient(temporal, settings.temporal.taskQueue);
  const { state } = await rollouts.start(spec);
  const time = { fromMs: state.startedAtMs - 2_000, toMs: state.startedAtMs + 1 };
  await rollouts.command(spec.name, 'exclude', { actor: 'ann', reason: 'outage', ...time });
  const workflow = temporal.workflow.getHandle(rolloutWorkflowId(spec.name));
  for (let turn = 1; (await rollouts.execution(spec.name)) === 'running'; turn += 1) {
    await client.complete({
      turnId: `by-users-${turn}`,
      userId: `user-${turn}`,
      messages: [{ role: 'user', content: 'Where is my order?' }],
    });
  }
  const { phase } = (await workflow.result()) as RolloutResult;
  if (phase !== 'Succeeded') throw new Error(`The rollout by users ended as ${phase}.`);
  return [await fetchHistory(temporal, workflow.workflowId)];
}

/** A promotion that waits while a rollback overtakes it, and is then refused. */
async function rolloutPromotedAfterItsEnd({ temporal, settings }: Service): Promise<readonly unknown[]> {
  const spec = unhurriedRolloutSpec({ name: 'promoted-after-its-end', intervalMs: 3_600_000 });
  const workflow = await temporal.workflow.signalWithStart(canaryRolloutWorkflowType, {
    workflowId: rolloutWorkflowId(spec.name),
    taskQueue: settings.temporal.taskQueue,
    args: [{ spec }],
    signal: 'promote',
    signalArgs: [{ actor: 'ann' }],
  });
  await workflow.signal('rollback', { actor: 'bob' });
  await workflow.result();
  return [await fetchHistory(temporal, workflow.workflowId)];
}

/** A turn of a canary that fails, which the baseline answers; and what its user says about it. */
async function rescuedAndRatedTurn({ client, temporal, simulator, ledger }: Service): Promise<readonly unknown[]> {
  await ledger.rollouts.record(entry(1, { percent: 100, spec: { rescue: true } }), 'legacy');
  await simulator.setBehaviour(primaryModel, { alwaysFault: faults.unknownModel(primaryModel) });
  const turnId = 'rescued-turn';
  const reply = await client.complete({ turnId, messages: [{ role: 'user', content: 'Where is my order?' }] });
  if (!reply.rescued) throw new Error(`${reply.provider} answered.`);
  const feedback = await temporal.workflow.start(turnFeedbackWorkflowType, {
    workflowId: feedbackWorkflowId('of-rescued-turn'),
    taskQueue: (await temporal.workflow.getHandle(turnWorkflowId(turnId, null)).describe()).taskQueue,
    args: [{ turnId, signal: 'up' }],
  });
  await feedback.result();
  return [
    await fetchHistory(temporal, turnWorkflowId(turnId, null)),
    await fetchHistory(temporal, feedback.workflowId),
  ];
}

/** Signals that came before any worker: more than one task handles, and the run ends before it carries out what is left. */
async function rolloutWithBacklog(service: Service): Promise<readonly unknown[]> {
  const { temporal, settings } = service;
  const spec = unhurriedRolloutSpec({ name: 'with-a-backlog', intervalMs: 3_600_000 });
  const workflowId = rolloutWorkflowId(spec.name);
  const workflow = await temporal.workflow.start(canaryRolloutWorkflowType, {
    workflowId,
    taskQueue: settings.temporal.taskQueue,
    args: [{ spec }],
  });
  for (let count = 0; count < 60; count += 1) await workflow.signal('pause', { actor: 'ann' });
  await workflow.signal('resume', { actor: 'bob' });
  await service.startWorker();
  const next = temporal.workflow.getHandle(workflowId);
  while ((await next.describe()).runId === workflow.firstExecutionRunId) await sleep(50);
  await next.signal('rollback', { actor: 'cid' });
  await next.result();
  return [
    await fetchHistory(temporal, workflowId, workflow.firstExecutionRunId),
    await fetchHistory(temporal, workflowId, (await next.describe()).runId),
  ];
}

/** Temporal suggests continuing as new after 4,096 events, which would be megabytes to keep. */
async function startTemporalWithShortRuns(): Promise<OwnTemporal> {
  const searchAttributes = Object.values(searchAttributeNames).map((name) =>
    defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
  );
  const environment = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: temporalBinary() },
      namespace: testNamespace,
      searchAttributes,
      extraArgs: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=24'],
    },
  });
  return {
    temporal: { address: environment.address, namespace: testNamespace },
    stop: () => environment.teardown(),
  };
}

async function fetchHistory(temporal: Service['temporal'], workflowId: string, runId?: string): Promise<unknown> {
  const history = await temporal.workflow.getHandle(workflowId, runId).fetchHistory();
  return withoutIdentities(JSON.parse(historyToJSON(history)));
}

/**
 * Identities, sticky queues, stack traces and the owners in tickets name the recording machine; replays do not depend
 * on them.
 */
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
