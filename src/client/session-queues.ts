import { bulkhead, BulkheadRejectedError, type BulkheadPolicy, TaskCancelledError } from 'cockatiel';
import { limits } from '../contract/limits';
import { DeadlineExceededError, QueueFullError } from './errors';

/** Node fires timers that are longer at once. */
const longestTimerMs = 2 ** 31 - 1;

/** How a turn is sent, and what may follow its answer before the next one may be sent. */
export interface QueuedTurn<Answer> {
  readonly sessionId: string;
  readonly turnId: string;
  readonly deadlineMs: number;
  /** Is given what is left of the deadline. */
  send(leftMs: number): Promise<Answer>;
  /** Resolves once a turn whose caller was sent away is over, or nobody can know. */
  untilOver(): Promise<void>;
}

/**
 * One turn of a session at a time on its way to Temporal, as a conversation answers them one at a time: those that come
 * meanwhile wait here. Temporal takes ten updates of a workflow at once, and an eleventh costs all of them their workflow
 * task, whose work is then done again. So the limit on unfinished turns holds before Temporal is asked, and what is
 * refused here was never sent.
 */
export class SessionQueues {
  private readonly queues = new Map<string, BulkheadPolicy>();

  /**
   * @throws {QueueFullError} as many turns of the session as there may be are unfinished
   * @throws {DeadlineExceededError} it waited for the turns before it until its deadline, and was not sent
   */
  async answer<Answer>(turn: QueuedTurn<Answer>): Promise<Answer> {
    const { sessionId, turnId, deadlineMs } = turn;
    const deadlineAtMs = performance.now() + deadlineMs;
    const waiting = new AbortController();
    return new Promise<Answer>((resolve, reject) => {
      const tooLate = setTimeout(
        () => {
          waiting.abort();
          reject(
            new DeadlineExceededError(
              `Turn ${turnId} waited ${deadlineMs} ms for earlier turns of session ${sessionId} and was not sent. Send it again.`,
            ),
          );
        },
        Math.min(deadlineMs, longestTimerMs),
      );
      const isSent = () => clearTimeout(tooLate);
      this.run(sessionId, waiting.signal, async () => {
        isSent();
        const answered = turn.send(Math.max(0, deadlineAtMs - performance.now()));
        answered.then(resolve, reject);
        await answered.catch((error: unknown) =>
          error instanceof DeadlineExceededError ? turn.untilOver() : undefined,
        );
      }).catch((error: unknown) => {
        isSent();
        reject(error instanceof BulkheadRejectedError ? queueFull(sessionId) : (error as Error));
      });
    });
  }

  private async run(sessionId: string, signal: AbortSignal, task: () => Promise<void>): Promise<void> {
    const queue = this.queues.get(sessionId) ?? bulkhead(1, limits.maxQueuedTurns - 1);
    this.queues.set(sessionId, queue);
    try {
      await queue.execute(task, signal);
    } catch (error) {
      // Its caller knows already.
      if (!(error instanceof TaskCancelledError)) throw error;
    } finally {
      if (queue.executionSlots === 1 && queue.queueSlots === limits.maxQueuedTurns - 1) this.queues.delete(sessionId);
    }
  }
}

function queueFull(sessionId: string): QueueFullError {
  return new QueueFullError(
    `Session ${sessionId} has ${limits.maxQueuedTurns} unfinished turns, the limit is ${limits.maxQueuedTurns}. Wait for an answer before sending more.`,
  );
}
