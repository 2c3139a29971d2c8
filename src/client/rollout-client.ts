import type { Client, WorkflowHandle } from '@temporalio/client';
import {
  QueryNotRegisteredError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Workflow } from '@temporalio/client';
import { failureTypes } from '../contract/failures';
import * as names from '../contract/names';
import { problemIn } from '../contract/problem';
import type {
  CanaryRolloutInput,
  RolloutAnswer,
  RolloutCommand,
  RolloutCommandInput,
  RolloutCommandName,
  RolloutSpec,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { describeRefusal } from '../domain/rollout/begin-rollout';
import { rolloutSpecProblem } from '../domain/rollout/validate';
import { rolloutCommandProblem } from '../domain/rollout/validate-command';
import {
  DeadlineExceededError,
  InvalidInputError,
  isUnanswered,
  isUnprocessedUpdate,
  RolloutEndedError,
  RolloutNotFoundError,
  RolloutRefusedError,
  translateError,
} from './errors';
import { type RecordedRow, readRecordedRows } from './recorded-rows';
import { type RollbackAnswer, rollBackInLedger } from './rollback';
import { endUntaken, recordingFailureIn, type RolloutWorkflow } from './rollout-workflow';
import { waitOut } from './wait-out';

/** An operator is waiting, but a worker needs about 10 s to take over from a dead one. */
const defaultDeadlineMs = 60_000;

/** A rollback is urgent: little more than the 10 s that a worker needs to take over from a dead one. */
const rollbackDeadlineMs = 15_000;

/** The server's name for the failure of an update whose workflow ended before its answer. */
const endedBeforeAnswer = 'AcceptedUpdateCompletedWorkflow';

/** Of the time that a caller waits, the share in which a worker may begin a rollout: later, nobody would learn of it. */
const startShare = 0.75;

/** Operates rollouts from any process that can reach Temporal. */
export class RolloutClient {
  constructor(
    private readonly temporal: Client,
    private readonly taskQueue: string,
    private readonly deadlineMs: number = defaultDeadlineMs,
  ) {}

  /**
   * Starts a rollout and returns once its split is set. If no worker takes it in time, it is withdrawn: it does not begin
   * later, unattended.
   * @throws {InvalidInputError} names the field of the spec and the limit
   * @throws {DeadlineExceededError} says whether it was withdrawn, or has begun
   * @throws {RolloutRefusedError} another rollout is active, the name is taken, an arm is unknown, …
   * @throws {TemporalUnreachableError}
   */
  async start(spec: RolloutSpec): Promise<RolloutStatus> {
    const problem = rolloutSpecProblem(spec);
    if (problem) throw new InvalidInputError([problem]);
    const input: CanaryRolloutInput = { spec, startWithinMs: Math.floor(startShare * this.deadlineMs) };
    const call = (): Promise<RolloutStatus> =>
      this.temporal.workflow.executeUpdateWithStart<Workflow, RolloutStatus, []>(names.begunUpdate, {
        args: [],
        startWorkflowOperation: new WithStartWorkflowOperation(names.rolloutWorkflowType(spec), {
          workflowId: names.rolloutWorkflowId(spec.name),
          taskQueue: this.taskQueue,
          // A refused rollout may be retried; the ledger refuses the name of one that started.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
          workflowIdConflictPolicy: 'FAIL',
          args: [input],
          staticSummary: summaryOf(spec),
        }),
      });
    try {
      return await this.withDeadline((deadlineAtMs) =>
        call().catch((error: unknown) => {
          if (!isUnprocessedUpdate(error)) throw error;
          const begun = () => this.handle(spec.name).executeUpdate<RolloutStatus, []>(names.begunUpdate);
          return untilProcessed(begun, deadlineAtMs);
        }),
      );
    } catch (error) {
      if (!isUnanswered(error)) throw await this.translated(spec.name, error);
      throw await this.withdraw(spec.name, error);
    }
  }

  /** Ends a rollout that no worker has taken yet, and says what became of it. */
  private async withdraw(name: string, cause: unknown): Promise<Error> {
    const end = () => endUntaken(this.temporal, names.rolloutWorkflowId(name));
    const isWithdrawn = await this.withDeadline(end).catch((error: unknown) => {
      throw translateError(error, `Rollout ${name}`);
    });
    if (!isWithdrawn) {
      const advice =
        'It was started and may still receive traffic. Are its workers healthy? `rollout status` shows its state.';
      return this.unanswered(advice, name, cause);
    }
    return new DeadlineExceededError(
      `No worker took rollout ${name} within ${this.deadlineMs} ms, so it was withdrawn: it will not start later. Start a ` +
        'worker of this version, then the rollout again.',
      { cause },
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
      const { status, recordingFailure } = await inHurry.workflow(name);
      // A workflow that cannot record its decisions cannot record this one either.
      if (status === 'running' && recordingFailure === null) {
        const answer = await inHurry.command(name, 'rollback', input);
        if (answer.accepted) return { ...answer, withoutWorkflow: false };
      }
    } catch (error) {
      if (error instanceof InvalidInputError) throw error;
      // Whatever kept the workflow from answering, the ledger knows the rollout's state.
    }
    return rollBackInLedger(rollouts, name, input);
  }

  /** The rollout's workflow as Temporal knows it; needs no worker. */
  async workflow(name: string, withinMs: number = this.deadlineMs): Promise<RolloutWorkflow> {
    try {
      const description = await this.temporal.connection.withDeadline(Date.now() + withinMs, () =>
        this.handle(name).describe(),
      );
      if (description.status.name !== 'RUNNING') {
        return { status: description.status.name === 'COMPLETED' ? 'completed' : 'failed', recordingFailure: null };
      }
      return { status: 'running', recordingFailure: await recordingFailureIn(this.temporal, description) };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { status: 'unknown', recordingFailure: null };
      throw translateError(error, `Rollout ${name}`);
    }
  }

  /** The state of the rollout's workflow: `running`, how it ended, or `unknown` if Temporal does not know it. */
  async execution(name: string): Promise<RolloutWorkflow['status']> {
    return (await this.workflow(name)).status;
  }

  /**
   * Starts a workflow that goes on from the given state, in place of the rollout's workflow if that still runs. The first
   * thing it does is to carry out the command, whether or not a worker runs by now.
   * @param state the last one in the ledger
   */
  async adopt(spec: RolloutSpec, state: RolloutState, command: RolloutCommand): Promise<void> {
    const input: CanaryRolloutInput = { spec, carried: { state, lastAnalysis: null, waiting: [command] } };
    await this.ask(spec.name, () =>
      this.temporal.workflow.start(names.rolloutWorkflowType(spec), {
        workflowId: names.rolloutWorkflowId(spec.name),
        taskQueue: this.taskQueue,
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        workflowIdConflictPolicy: 'TERMINATE_EXISTING',
        args: [input],
        staticSummary: summaryOf(spec),
      }),
    );
  }

  /**
   * The newest row of the audit trail in the history of each run of a rollout's workflow: all rollouts of this task queue
   * that Temporal still has, and those with the given names. Needs no worker. Histories written by older workers contain
   * no rows.
   */
  async recordedRows(rollouts: Iterable<string>): Promise<readonly RecordedRow[]> {
    return readRecordedRows(this.temporal, this.taskQueue, rollouts, (call) => this.withDeadline(call));
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

function summaryOf({ name, baselineArm, canaryArm }: RolloutSpec): string {
  return `Rollout ${name}: ${baselineArm} to ${canaryArm}`;
}

function ended(name: string, cause: unknown): RolloutEndedError {
  return new RolloutEndedError(`Rollout ${name} has ended; it takes no more commands.`, { cause });
}
