import { limits } from '../contract/limits';
import { DeadlineExceededError, QueueFullError } from './errors';

/** Node fires timers that are longer at once. */
const longestTimerMs = 2 ** 31 - 1;

export interface QueuedTurn<Answer> {
  readonly sessionId: string;
  readonly turnId: string;
  /** From now, the waiting included. */
  readonly deadlineMs: number;
  /** Is given what is left of the deadline. */
  send(leftMs: number): Promise<Answer>;
  /** Of a turn that has passed its deadline after it was sent: resolves once it is over. Never rejects. */
  untilOver(): Promise<void>;
}

interface SessionQueue {
  unfinished: number;
  /** Resolves when the turn that came last is over. */
  last: Promise<void>;
}

/**
 * Sends one turn of a session to Temporal at a time, as a conversation answers them one at a time; those that come
 * meanwhile wait here. Temporal takes ten updates of a workflow at once, and an eleventh costs all of them their workflow
 * task, whose work is then done again. So the limit on unfinished turns holds before Temporal is asked, and what is
 * refused here was never sent.
 */
export class SessionQueues {
  private readonly queues = new Map<string, SessionQueue>();

  /** Sessions with unfinished turns. */
  get size(): number {
    return this.queues.size;
  }

  /**
   * @throws {QueueFullError} as many turns of the session as there may be are unfinished
   * @throws {DeadlineExceededError} also where the turns before it took so long that it was not sent
   */
  async answer<Answer>(turn: QueuedTurn<Answer>): Promise<Answer> {
    const { sessionId, turnId, deadlineMs } = turn;
    const deadlineAtMs = performance.now() + deadlineMs;
    const queue = this.queueOf(sessionId);
    const turnBefore = queue.last;
    let end!: () => void;
    queue.last = new Promise((resolve) => (end = resolve));
    queue.unfinished += 1;
    const leave = (): void => {
      queue.unfinished -= 1;
      if (queue.unfinished === 0) this.queues.delete(sessionId);
    };

    if (!(await isOverWithin(turnBefore, deadlineMs))) {
      void turnBefore.then(end);
      leave();
      throw new DeadlineExceededError(
        `Turn ${turnId} waited ${deadlineMs} ms for earlier turns of session ${sessionId} and was not sent. Send it again.`,
      );
    }
    let over: Promise<void> = Promise.resolve();
    try {
      return await turn.send(Math.max(0, deadlineAtMs - performance.now()));
    } catch (error) {
      if (error instanceof DeadlineExceededError) over = turn.untilOver();
      throw error;
    } finally {
      void over.then(leave).then(end);
    }
  }

  /** @throws {QueueFullError} */
  private queueOf(sessionId: string): SessionQueue {
    const queue = this.queues.get(sessionId) ?? { unfinished: 0, last: Promise.resolve() };
    if (queue.unfinished >= limits.maxQueuedTurns) {
      throw new QueueFullError(
        `Session ${sessionId} has ${queue.unfinished} unfinished turns, the limit is ${limits.maxQueuedTurns}. Wait for an answer before sending more.`,
      );
    }
    this.queues.set(sessionId, queue);
    return queue;
  }
}

async function isOverWithin(turn: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.min(timeoutMs, longestTimerMs));
  });
  try {
    return await Promise.race([turn.then(() => true), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
