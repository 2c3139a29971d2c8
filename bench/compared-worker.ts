import { join } from 'node:path';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Database } from 'better-sqlite3';
import type { Settings } from '../src/config/settings';
import { openLedger } from '../src/ledger/open-ledger';
import type { ActivityDependencies } from '../src/activities/create-activities';
import { TargetHealth } from '../src/activities/target-health';
import { admitAndCall, recordTurn } from '../src/activities/turn-steps';
import { createProvider } from '../src/providers/openai-compatible';
import { openTurnStreams } from '../src/streams/open-streams';
import { type RunningWorker, workerTuning } from '../src/services/worker';
import type { ChatMessage } from '../src/contract/chat';
import type { RecordTurnInput } from '../src/contract/turn';
import { openSqliteFile } from '../src/platform/better-sqlite3';
import { limits } from '../src/contract/limits';

/** A worker of one of the compared ways: same ledger, same provider adapter, same tuning. */
export async function startComparedWorker(
  kind: 'textbook' | 'plain',
  settings: Settings,
  workflowBundle: string,
): Promise<RunningWorker> {
  const { temporal, policy } = settings;
  const ledger = await openLedger(settings);
  const history = new HistoryStore(settings.dataDirectory);
  const providers = new Map(settings.providers.map((provider) => [provider.name, createProvider(provider)]));
  // The benchmark streams nothing.
  const streams = openTurnStreams(undefined);
  const targets = new TargetHealth(policy);
  const dependencies = { ledger, providers, policy, streams, targets, owner: kind };
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    ...workerTuning(),
    connection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: { codePath: workflowBundle },
    activities:
      kind === 'textbook' ? createTextbookActivities(dependencies) : createPlainActivities(dependencies, history),
  });
  const finished = runToTheEnd();
  return {
    finished,
    maxCachedWorkflows: worker.options.maxCachedWorkflows,
    connection,
    targetStates: () => targets.breakers.states(),
    stop: () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return finished;
    },
  };

  async function runToTheEnd(): Promise<void> {
    await worker.run();
    await Promise.all([...providers.values()].map((provider) => provider.close()));
    await ledger.close();
    history.close();
    await connection.close();
  }
}

interface Question {
  readonly turnId: string;
  readonly sessionId: string;
  readonly messages: readonly ChatMessage[];
}

interface Answer extends NonNullable<RecordTurnInput['answer']> {
  readonly content: string;
}

/** Bellwether's own steps without its orchestration, so that every way does the same work. */
async function answer(dependencies: ActivityDependencies, question: Question): Promise<Answer> {
  const asked = await admitAndCall(dependencies, { ...question, userId: null }, Context.current().cancellationSignal);
  if (asked.kind === 'refused') throw unexpected(`Turn ${question.turnId} was refused: ${asked.scope}.`);
  const { call, outcome } = asked;
  if (outcome.kind === 'failed') throw unexpected(`Turn ${question.turnId}: ${outcome.failure.message}`);
  const { content, model, settlement } = outcome;
  return { target: call.target.name, content, model, settlement };
}

/** The benchmark's budgets are ample and its provider has no faults: any failure invalidates the figures. */
function unexpected(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message);
}

export type TextbookActivities = ReturnType<typeof createTextbookActivities>;

/** One activity for a whole turn: admission, call and record. */
function createTextbookActivities(dependencies: ActivityDependencies) {
  return {
    async answerTurn(question: Question): Promise<Pick<Answer, 'content'>> {
      const { content, ...answered } = await answer(dependencies, question);
      await recordTurn(dependencies, { turnId: question.turnId, answer: answered, error: null });
      return { content };
    },
  };
}

export type PlainActivities = ReturnType<typeof createPlainActivities>;

/** An activity for each step of a turn. */
function createPlainActivities(dependencies: ActivityDependencies, history: HistoryStore) {
  return {
    async loadHistory(sessionId: string): Promise<ChatMessage[]> {
      return history.load(sessionId);
    },
    callModel(question: Question): Promise<Answer> {
      return answer(dependencies, question);
    },
    async recordCost(turnId: string, { content: _content, ...answered }: Answer): Promise<void> {
      await recordTurn(dependencies, { turnId, answer: answered, error: null });
    },
    async saveHistory(sessionId: string, messages: readonly ChatMessage[]): Promise<void> {
      history.append(sessionId, messages);
    },
  };
}

/** The message table of a service without a conversation workflow, as durable as the ledger. */
class HistoryStore {
  private readonly database: Database;

  constructor(directory: string) {
    this.database = openSqliteFile(join(directory, 'history.db'));
    this.database.pragma('journal_mode = WAL');
    this.database.pragma('synchronous = FULL');
    this.database.exec(
      'create table messages (id integer primary key, session_id text, role text, content text);' +
        'create index messages_by_session on messages (session_id, id)',
    );
  }

  /** The messages that fit a window, oldest first. */
  load(sessionId: string): ChatMessage[] {
    return this.database
      .prepare<unknown[], ChatMessage>(
        'select role, content from messages where session_id = ? order by id desc limit ?',
      )
      .all(sessionId, limits.maxWindowMessages)
      .toReversed();
  }

  append(sessionId: string, messages: readonly ChatMessage[]): void {
    const insert = this.database.prepare('insert into messages (session_id, role, content) values (?, ?, ?)');
    this.database.transaction(() => messages.forEach(({ role, content }) => insert.run(sessionId, role, content)))();
  }

  close(): void {
    this.database.close();
  }
}
