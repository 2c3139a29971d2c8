import type { Client, WorkflowHandle } from '@temporalio/client';
import {
  QueryNotRegisteredError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure, type Payload, type SerializationContext } from '@temporalio/common';
import type { Workflow } from '@temporalio/client';
import { failureTypes } from '../contract/failures';
import * as names from '../contract/names';
import { problemIn } from '../contract/problem';
import type {
  AuditHead,
  CanaryRolloutInput,
  RecordedRollout,
  RolloutAnswer,
  RolloutCommandInput,
  RolloutCommandName,
  RolloutSpec,
  RolloutStatus,
} from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { describeRefusal } from '../domain/rollout/begin-rollout';
import { rolloutSpecProblem } from '../domain/rollout/validate';
import { rolloutCommandProblem } from '../domain/rollout/validate-command';
import {
  DeadlineExceededError,
  InvalidInputError,
  isGrpcError,
  isNotFound,
  isUnprocessedUpdate,
  RolloutEndedError,
  RolloutNotFoundError,
  RolloutRefusedError,
  translateError,
} from './errors';
import { type RollbackAnswer, rollBackInLedger } from './rollback';
import { waitOut } from './wait-out';

/** An operator is waiting, but a worker needs about 10 s to take over from a dead one. */
const defaultDeadlineMs = 60_000;

/** A rollback is urgent: little more than the 10 s that a worker needs to take over from a dead one. */
const rollbackDeadlineMs = 15_000;

/** The server's name for the failure of an update whose workflow ended before its answer. */
const endedBeforeAnswer = 'AcceptedUpdateCompletedWorkflow';

/** A row of the audit trail, as recorded in the history of its rollout's workflow. */
export interface RecordedRow extends AuditHead {
  readonly rollout: string;
}

/** The activity that records a decision, by its name in histories. */
const recordingActivity = 'recordRollout';

/** Operates rollouts from any process that can reach Temporal. */
export class RolloutClient {
  constructor(
    private readonly temporal: Client,
    private readonly taskQueue: string,
    private readonly deadlineMs: number = defaultDeadlineMs,
  ) {}

  /**
   * Starts a rollout and returns once its split is set.
   * @throws {InvalidInputError} names the field of the spec and the limit
   * @throws {RolloutRefusedError} another rollout is active, the name is taken, an arm is unknown, …
   * @throws {TemporalUnreachableError}
   */
  async start(spec: RolloutSpec): Promise<RolloutStatus> {
    const problem = rolloutSpecProblem(spec);
    if (problem) throw new InvalidInputError([problem]);
    const input: CanaryRolloutInput = { spec };
    const call = (): Promise<RolloutStatus> =>
      this.temporal.workflow.executeUpdateWithStart<Workflow, RolloutStatus, []>(names.begunUpdate, {
        args: [],
        startWorkflowOperation: new WithStartWorkflowOperation(names.canaryRolloutWorkflowType, {
          workflowId: names.rolloutWorkflowId(spec.name),
          taskQueue: this.taskQueue,
          // A refused rollout may be retried; the ledger refuses the name of one that started.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
          workflowIdConflictPolicy: 'FAIL',
          args: [input],
          staticSummary: `Rollout ${spec.name}: ${spec.baselineArm} to ${spec.canaryArm}`,
        }),
      });
    return this.ask(spec.name, (deadlineAtMs) =>
      call().catch((error: unknown) => {
        if (!isUnprocessedUpdate(error)) throw error;
        const begun = () => this.handle(spec.name).executeUpdate<RolloutStatus, []>(names.begunUpdate);
        return untilProcessed(begun, deadlineAtMs).catch((lastError: unknown) => {
          if (!isUnprocessedUpdate(lastError)) throw lastError;
          const advice =
            'It was started and may still receive traffic. Are its workers healthy? `rollout status` shows its state.';
          throw this.unanswered(advice, spec.name, lastError);
        });
      }),
    );
  }

  /** @throws {RolloutNotFoundError} when Temporal does not know it, or no longer does */
  async status(name: string): Promise<RolloutStatus> {
    return this.ask(name, () => this.handle(name).query<RolloutStatus>(names.statusQuery));
  }

  /**
   * Sends a command and returns the result; `reason` says why a command was refused.
   * @throws {InvalidInputError} names the field and the limit
   * @throws {RolloutEndedError} it takes no more commands
   * @throws {RolloutNotFoundError}
   */
  async command(name: string, command: RolloutCommandName, input: RolloutCommandInput): Promise<RolloutAnswer> {
    const problem = rolloutCommandProblem(input, command);
    if (problem) throw new InvalidInputError([problem]);
    const update = () =>
      this.handle(name).executeUpdate<RolloutAnswer, [RolloutCommandInput]>(command, { args: [input] });
    return this.ask(name, (deadlineAtMs) => untilProcessed(update, deadlineAtMs));
  }

  /**
   * Rolls back, whatever the workflow's state: when none is running, or none answers within 15 s, the rollback is
   * written directly to the ledger, which routes turns. Repeating a rollback changes nothing.
   * @param rollouts the ledger that the service's workers use: `openOperator` opens it
   * @throws {InvalidInputError} names the field and the limit
   * @throws {RolloutNotFoundError} the ledger has no rollout of this name
   * @throws {RolloutEndedError} there is nothing left to roll back
   */
  async rollBack(name: string, input: RolloutCommandInput, rollouts: Rollouts): Promise<RollbackAnswer> {
    const inHurry = new RolloutClient(this.temporal, this.taskQueue, Math.min(this.deadlineMs, rollbackDeadlineMs));
    try {
      if ((await inHurry.execution(name)) === 'running') {
        const answer = await inHurry.command(name, 'rollback', input);
        if (answer.accepted) return { ...answer, withoutWorkflow: false };
      }
    } catch (error) {
      if (error instanceof InvalidInputError) throw error;
      // Whatever kept the workflow from answering, the ledger knows the rollout's state.
    }
    return rollBackInLedger(rollouts, name, input);
  }

  /** The state of the rollout's workflow: `running`, how it ended, or `unknown` if Temporal does not know it. */
  async execution(name: string): Promise<'running' | 'completed' | 'failed' | 'unknown'> {
    try {
      const { status } = await this.withDeadline(() => this.handle(name).describe());
      if (status.name === 'RUNNING') return 'running';
      return status.name === 'COMPLETED' ? 'completed' : 'failed';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'unknown';
      throw translateError(error, `Rollout ${name}`);
    }
  }

  /**
   * The newest row of the audit trail in the history of each run of a rollout's workflow: all rollouts of this task queue
   * that Temporal still has, and those with the given names. Needs no worker. Histories written by older workers contain
   * no rows.
   */
  async recordedRows(rollouts: Iterable<string>): Promise<readonly RecordedRow[]> {
    const runs = new Map<string, { readonly workflowId: string; readonly runId?: string }>();
    // Temporal's list lags behind, so rollouts that are known by name are looked up by name.
    for (const name of rollouts) {
      const workflowId = names.rolloutWorkflowId(name);
      runs.set(workflowId, { workflowId });
    }
    const query = `WorkflowType = '${names.canaryRolloutWorkflowType}' AND TaskQueue = '${this.taskQueue.replaceAll("'", "''")}'`;
    try {
      await this.withDeadline(async () => {
        for await (const { workflowId, runId } of this.temporal.workflow.list({ query })) {
          runs.set(runId, { workflowId, runId });
        }
      });
      const rows: RecordedRow[] = [];
      for (const run of runs.values()) {
        const row = await this.withDeadline(() => this.newestRecordedRow(run));
        if (row !== null) rows.push({ rollout: names.rolloutOf(run.workflowId), ...row });
      }
      return rows;
    } catch (error) {
      throw isGrpcError(error) ? translateError(error, 'the histories of rollouts') : error;
    }
  }

  /** Null if the run recorded none, or Temporal no longer has the run. */
  private async newestRecordedRow(execution: { workflowId: string; runId?: string }): Promise<AuditHead | null> {
    const { namespace } = this.temporal.options;
    const results = new Map<string, Payload | undefined>();
    let nextPageToken: Uint8Array | undefined;
    do {
      const request = { namespace, execution, ...(nextPageToken && { nextPageToken }) };
      const page = await this.temporal.workflowService
        .getWorkflowExecutionHistoryReverse(request)
        .catch((error: unknown) => {
          if (isNotFound(error)) return null;
          throw error;
        });
      for (const event of page?.history?.events ?? []) {
        const completed = event.activityTaskCompletedEventAttributes;
        if (completed) results.set(String(completed.scheduledEventId), completed.result?.payloads?.[0]);
        const scheduled = event.activityTaskScheduledEventAttributes;
        const result = results.get(String(event.eventId));
        if (scheduled?.activityType?.name !== recordingActivity || !result) continue;
        const context = {
          type: 'activity',
          namespace,
          workflowId: execution.workflowId,
          activityId: scheduled.activityId ?? '',
          isLocal: false,
        } as const;
        const recorded = await this.decode<RecordedRollout>(result, context);
        if (recorded.kind === 'recorded' && recorded.row) return recorded.row;
      }
      nextPageToken = page?.nextPageToken?.length ? page.nextPageToken : undefined;
    } while (nextPageToken);
    return null;
  }

  private async decode<Value>(payload: Payload, context: SerializationContext): Promise<Value> {
    const { payloadCodecs, payloadConverter } = this.temporal.options.loadedDataConverter;
    let payloads = [payload];
    for (const codec of payloadCodecs.toReversed()) payloads = await codec.decode(payloads, context);
    return payloadConverter.fromPayload<Value>(payloads[0] ?? payload, context);
  }

  async disconnect(): Promise<void> {
    await this.temporal.connection.close();
  }

  private handle(name: string): WorkflowHandle {
    return this.temporal.workflow.getHandle(names.rolloutWorkflowId(name));
  }

  private withDeadline<Answer>(call: (deadlineAtMs: number) => Promise<Answer>): Promise<Answer> {
    const deadlineAtMs = Date.now() + this.deadlineMs;
    return this.temporal.connection.withDeadline(deadlineAtMs, () => call(deadlineAtMs));
  }

  private async ask<Answer>(name: string, call: (deadlineAtMs: number) => Promise<Answer>): Promise<Answer> {
    try {
      return await this.withDeadline(call);
    } catch (error) {
      throw await this.translated(name, error);
    }
  }

  private unanswered(advice: string, name: string, cause: unknown): DeadlineExceededError {
    const message = `Rollout ${name} did not answer within ${this.deadlineMs} ms: its workflow task was lost each time. ${advice}`;
    return new DeadlineExceededError(message, { cause });
  }

  private async translated(name: string, error: unknown): Promise<Error> {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      const message = `there is or was a rollout named ${name}. Choose another name`;
      const problem = { path: ['name'], code: 'already-used', message } as const;
      return new RolloutRefusedError(describeRefusal(problem), { cause: error, problem });
    }
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      const { type, message, details } = error.cause;
      if (type === failureTypes.rolloutRefused) {
        return new RolloutRefusedError(message, { cause: error, problem: problemIn(details) });
      }
      if (type === endedBeforeAnswer) return ended(name, error);
    }
    if (isUnprocessedUpdate(error)) {
      return this.unanswered('Nothing was done. Are its workers healthy? Repeating the command is safe.', name, error);
    }
    // Temporal reports every failed query this way.
    if (error instanceof QueryNotRegisteredError) return new RolloutRefusedError(error.message, { cause: error });
    if (error instanceof WorkflowNotFoundError) {
      const execution = await this.execution(name);
      if (execution === 'unknown') {
        return new RolloutNotFoundError(`Temporal knows no rollout named ${name}.`, { cause: error });
      }
      return ended(name, error);
    }
    return translateError(error, `Rollout ${name}`);
  }
}

/**
 * Repeats an update until a worker processes it: a stalled worker may lose its workflow task, and the update with it.
 */
function untilProcessed<Answer>(update: () => Promise<Answer>, deadlineAtMs: number): Promise<Answer> {
  return waitOut(update, { isPassing: isUnprocessedUpdate, deadlineAtMs });
}

function ended(name: string, cause: unknown): RolloutEndedError {
  return new RolloutEndedError(`Rollout ${name} has ended; it takes no more commands.`, { cause });
}
