import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { limits } from '../src/contract/limits';
import { canaryRolloutWorkflowType, rolloutByUsersWorkflowType } from '../src/contract/names';
import { workflowBundle } from './support/temporal';

// The refused replay below is expected; what the SDK says of it would look like a failure of this test.
Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: 'OFF', forward: {} } } });

/** Written by test/support/record-histories.ts with the code of their day. */
const directory = join(__dirname, 'histories');
const files = readdirSync(directory).filter((file) => file.endsWith('.json'));

test('there are histories of plain, failing, refused and one-shot turns', () => {
  expect(files).toEqual(
    expect.arrayContaining(['two-plain-turns.json', 'failing-targets.json', 'refused-turn.json', 'one-shot.json']),
  );
});

test('there are histories of embeddings, one of them tried again', () => {
  const calls = eventTypes('failed-embeddings.json').filter((type) => type === 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED');
  expect(calls).toHaveLength(1);
  expect(eventTypes('embeddings.json')).toContain('EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED');
});

test('there is a history of turns that waited for one that failed', () => {
  const types = eventTypes('waiting-turns.json');
  expect(types.join()).toContain(Array(3).fill('EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED').join());
});

test('there is a history that continued as new, and one of the following run', () => {
  expect(eventTypes('continued-run-1.json').at(-1)).toBe('EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW');
  const [started] = eventsOf('continued-run-2.json');
  expect(started).toMatchObject({
    workflowExecutionStartedEventAttributes: { initiator: 'CONTINUE_AS_NEW_INITIATOR_WORKFLOW' },
  });
});

test('there is a history of a turn whose first call was a regular activity', () => {
  const types = eventTypes('regular-first-attempt.json');
  const firstAnswer = types.indexOf('EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED');
  const ofFirstTurn = types.slice(0, firstAnswer);
  expect(ofFirstTurn.filter((type) => type === 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED')).toHaveLength(1);
  // A call in the task before it would have left its retry delay behind: only the idle timer runs.
  expect(ofFirstTurn.filter((type) => type === 'EVENT_TYPE_TIMER_STARTED')).toHaveLength(1);
});

test('there is a history of turns on branches, and its run says once that there are some', () => {
  const markers = eventsOf('branched-turns.json').filter(({ eventType }) => eventType === 'EVENT_TYPE_MARKER_RECORDED');
  const recorded = markers.map((marker) => decodedPayloads(JSON.stringify(marker, null, 2)));
  expect(recorded.filter((text) => text.includes('turns-stand-on-branches'))).toHaveLength(1);
});

test('there is a history of a session that was handed over and given back, with its longer idle timer', () => {
  const starts = eventsOf('handed-over-session.json').flatMap(
    ({ timerStartedEventAttributes: started }) => started?.startToFireTimeout ?? [],
  );
  expect(starts).toEqual(['86400s', '604800s', '86400s']);
});

test('there is a history of a complete rollout, with timers, evidence and operators', () => {
  const types = eventTypes('rollout-to-the-end.json');
  expect(types).toEqual(
    expect.arrayContaining(['EVENT_TYPE_TIMER_FIRED', 'EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED']),
  );
  expect(types.at(-1)).toBe('EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED');
});

test('there is a history of a rollout by users, with its first limits and an excluded time', () => {
  const activities = eventsOf('rollout-by-users.json').flatMap(
    ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name ?? [],
  );
  expect(activities.slice(0, 3)).toEqual(['measureBaseline', 'recordRollout', 'recordRollout']);
  expect(activities).toContain('observeUsers');
  expect(activities).not.toContain('observeRollout');
  expect(eventTypes('rollout-by-users.json').at(-1)).toBe('EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED');
});

test('a rollout by users replays under the type that older workers do not know', async () => {
  const recorded = readFileSync(join(directory, 'rollout-by-users.json'), 'utf8');
  const renamed = recorded.replaceAll(`"${canaryRolloutWorkflowType}"`, `"${rolloutByUsersWorkflowType}"`);
  expect(renamed).not.toBe(recorded);
  await expect(replay(renamed)).resolves.toBeUndefined();
});

test('there is a history of a promotion that read the evidence after the rollout had ended', () => {
  const activities = eventsOf('rollout-promoted-after-its-end.json').flatMap(
    ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityType.name ?? [],
  );
  expect(activities).toEqual(['recordRollout', 'recordRollout', 'observeRollout', 'recordRollout']);
});

test('there is a history of a turn that a rollout’s baseline rescued, and of feedback on it', () => {
  const text = (file: string) => decodedPayloads(readFileSync(join(directory, file), 'utf8'));
  expect(text('rescued-turn.json')).toContain('"rescued":true');
  expect(text('turn-feedback.json')).toContain('"signal":"up"');
});

test('there is a history of a rollout that left out signals and ended its run before a backlog', () => {
  const events = eventsOf('rollout-with-a-backlog-1.json');
  const markers = events.filter(({ eventType }) => eventType === 'EVENT_TYPE_MARKER_RECORDED');
  const recorded = decodedPayloads(JSON.stringify(markers, null, 2));
  for (const change of ['the-last-signals-of-a-flood', 'one-signal-of-a-kind', 'a-full-run-ends-before-a-backlog']) {
    expect(recorded).toContain(change);
  }
  expect(events.at(-1)?.eventType).toBe('EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW');
});

test.each(files)('today’s workflows replay %s as recorded', async (file) => {
  await expect(replay(readFileSync(join(directory, file), 'utf8'))).resolves.toBeUndefined();
});

test('a one-shot turn from before lists had limits replays as recorded', async () => {
  const recorded = readFileSync(join(directory, 'one-shot.json'), 'utf8');
  const messages = Array.from({ length: limits.maxMessages + 1 }, () => ({ role: 'user', content: 'Hello?' }));
  const input = Buffer.from(JSON.stringify({ turnId: 'one-shot', messages })).toString('base64');
  const longer = recorded.replace(/(?<="input": \{\s*"payloads": \[\s*\{[^}]*\},\s*"data": ")[^"]*/u, input);
  expect(longer).not.toBe(recorded);
  await expect(replay(longer)).resolves.toBeUndefined();
});

test('a turn with a branch that an older worker has run goes on as it was recorded', async () => {
  const recorded = readFileSync(join(directory, 'two-plain-turns.json'), 'utf8');
  const message = { turnId: 'plain-2', content: 'And when does it arrive?' };
  const branched = recorded.replaceAll(/(?<="data": ")[^"]*/gu, (data) => {
    const payload = Buffer.from(data, 'base64').toString();
    const changed = payload.replace(`"turnId":"${message.turnId}"`, `"branch":{"after":null},$&`);
    return changed.includes(message.content) ? Buffer.from(changed).toString('base64') : data;
  });
  expect(branched).not.toBe(recorded);
  await expect(replay(branched)).resolves.toBeUndefined();
});

test('a history of other code is refused', async () => {
  const recorded = readFileSync(join(directory, 'failing-targets.json'), 'utf8');
  const changed = recorded.replaceAll('"callModel"', '"callOtherwise"');
  expect(changed).not.toBe(recorded);
  await expect(replay(changed)).rejects.toThrow(DeterminismViolationError);
});

test.each(files)('%s reveals nothing about the machine that recorded it', (file) => {
  const text = readFileSync(join(directory, file), 'utf8');
  const identities = [...text.matchAll(/"(?:identity|workerIdentity)": "(.*)"/gu)].map(([, identity]) => identity);
  expect(new Set(identities)).toEqual(new Set(['recorded']));
  expect(text).not.toMatch(/"\d+@|"stackTrace": "[^"]/u);
  expect(decodedPayloads(text)).not.toMatch(/\/\d+\/[0-9a-f]{8}-|sk-test/u);
  expect(text + decodedPayloads(text)).not.toMatch(
    /\/(?:tmp|root|home|Users|work|var)\/|node_modules|localhost|127\.0/u,
  );
});

async function replay(history: string): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: workflowBundle() }, JSON.parse(history));
}

interface RecordedEvent {
  readonly timerStartedEventAttributes?: { readonly startToFireTimeout: string };
  readonly eventType: string;
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: { readonly name: string } };
}

function eventsOf(file: string): readonly RecordedEvent[] {
  const history = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { events: RecordedEvent[] };
  return history.events;
}

function eventTypes(file: string): readonly string[] {
  return eventsOf(file).map(({ eventType }) => eventType);
}

/** Payloads are in base64: a ticket's owner, a host name among it, could hide in one. */
function decodedPayloads(text: string): string {
  return [...text.matchAll(/"data": "(.*)"/gu)].map(([, data]) => Buffer.from(data ?? '', 'base64').toString()).join();
}
