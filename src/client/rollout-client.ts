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
  RolloutCommandInput,
  RolloutCommandName,
  RolloutSpec,
  RolloutStatus,
} from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { describeRefusal } from '../domain/rollout/begin-rollout';
import { rolloutCommandProblem, rolloutSpecProblem } from '../domain/rollout/validate';
import {
  DeadlineExceededError,
  InvalidInputError,
  isUnprocessedUpdate,
  RolloutEndedError,
  RolloutNotFoundError,
  RolloutRefusedError,
  translateError,
} from './errors';
import { type RollbackAnswer, rollBackInLedger } from './rollback';
import { waitOut } from './wait-out';

/** An operator waits; a worker that takes over from a dead one needs some 10 s. */
const defaultDeadlineMs = 60_000;

/** Whoever rolls back cannot wait for much more than the 10 s in which a worker takes over from a dead one. */
const rollbackDeadlineMs = 15_000;

/** The server's name for the failure of an update whose workflow ended before its answer. */
const endedBeforeAnswer = 'AcceptedUpdateCompletedWorkflow';

/** What an operator does with rollouts, from any process that reaches Temporal. */
export class RolloutClient {
  constructor(
    private readonly temporal: Client,
    private readonly taskQueue: string,
    private readonly deadlineMs: number = defaultDeadlineMs,
  ) {}

  /**
   * Starts a rollout and returns once its split is set.
   * @throws {InvalidInputError} names the field of the spec and the limit
   * @throws {RolloutRefusedError} another one is under way, the name was used, an arm is unknown, …
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
          // One that was refused may be tried again; the ledger refuses the name of one that began.
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
            'It was started, and may still take the traffic. Are its workers well? `rollout status` tells where it stands.';
          throw this.unanswered(advice, spec.name, lastError);
        });
      }),
    );
  }

  /** @throws {RolloutNotFoundError} when Temporal does not know it (any longer) */
  async status(name: string): Promise<RolloutStatus> {
    return this.ask(name, () => this.handle(name).query<RolloutStatus>(names.statusQuery));
  }

  /**
   * Sends a command and returns what became of it; one that was refused says why in `reason`.
   * @throws {InvalidInputError} names the field and the limit
   * @throws {RolloutEndedError} there is nothing left to command
   * @throws {RolloutNotFoundError}
   */
  async command(name: string, command: RolloutCommandName, input: RolloutCommandInput): Promise<RolloutAnswer> {
    const problem = rolloutCommandProblem(input);
    if (problem) throw new InvalidInputError([problem]);
    const update = () =>
      this.handle(name).executeUpdate<RolloutAnswer, [RolloutCommandInput]>(command, { args: [input] });
    return this.ask(name, (deadlineAtMs) => untilProcessed(update, deadlineAtMs));
  }

  /**
   * Rolls back whatever has become of the workflow: when none runs, or none answers within 15 s, the rollback is written
   * straight into the ledger, from which turns are routed. Once more changes nothing.
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
      // Whatever else keeps the workflow from answering: the ledger knows how the rollout stands.
    }
    return rollBackInLedger(rollouts, name, input);
  }

  /** Whether a workflow stands behind the rollout: `running`, how it ended, or `unknown` to Temporal. */
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
      return this.unanswered('Nothing was done. Are its workers well? The same command again is safe.', name, error);
    }
    // What Temporal says of any query that fails.
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

/** Sends an update until a worker has looked at it: one that stood still may lose its workflow task, and the update with it. */
function untilProcessed<Answer>(update: () => Promise<Answer>, deadlineAtMs: number): Promise<Answer> {
  return waitOut(update, { isPassing: isUnprocessedUpdate, deadlineAtMs });
}

function ended(name: string, cause: unknown): RolloutEndedError {
  return new RolloutEndedError(`Rollout ${name} has ended; it takes no more commands.`, { cause });
}
