import { limits } from '../contract/limits';
import { DeadlineExceededError, QueueFullError, TurnNotSentError } from './errors';

/** Node fires longer timers immediately. */
const longestTimerMs = 2 ** 31 - 1;

export interface QueuedTurn<Answer> {
  readonly sessionId: string;
  readonly turnId: string;
  /** From now, including the wait for earlier turns. */
  readonly deadlineMs: number;
  /** `leftMs` is the time left until the deadline. */
  send(leftMs: number): Promise<Answer>;
  /** For a turn that missed its deadline after it was sent: resolves once it is over. Never rejects. */
  untilOver(): Promise<void>;
}

interface SessionQueue {
  unfinished: number;
  /** Resolves when the newest turn is over. */
  last: Promise<void>;
  /** By turn id: resolves to true once the turn is sent, or to false if it gives up first. */
  readonly sent: Map<string, Promise<boolean>>;
}

/**
 * Sends the turns of a session to Temporal one at a time, as a conversation answers them one at a time; later turns
 * wait here. Temporal admits ten updates of a workflow at once. An eleventh makes all of them lose their workflow task,
 * whose work is then repeated. So the limit on unfinished turns is checked before Temporal is asked, and a turn refused
 * here was never sent.
 */
export class SessionQueues {
  private readonly queues = new Map<string, SessionQueue>();

  /** Sessions with unfinished turns. */
  get size(): number {
    return this.queues.size;
  }

  /**
   * Joins a turn that is already unfinished here, without taking another place: Temporal recognises its id.
   * @throws {QueueFullError} the session has reached its limit of unfinished turns
   * @throws {TurnNotSentError} earlier turns took until its deadline
   */
  async answer<Answer>(turn: QueuedTurn<Answer>): Promise<Answer> {
    const deadlineAtMs = performance.now() + turn.deadlineMs;
    const leftMs = (): number => Math.max(0, deadlineAtMs - performance.now());
    const known = this.queues.get(turn.sessionId)?.sent.get(turn.turnId);
    if (known === undefined) return this.takePlace(turn, leftMs);

    const isSent = await within(leftMs(), known);
    if (isSent === undefined) throw notSent(turn);
    return isSent ? turn.send(leftMs()) : this.answer({ ...turn, deadlineMs: leftMs() });
  }

  private async takePlace<Answer>(turn: QueuedTurn<Answer>, leftMs: () => number): Promise<Answer> {
    const { sessionId, turnId } = turn;
    const queue = this.queueOf(sessionId);
    const turnBefore = queue.last;
    let end!: () => void;
    queue.last = new Promise((resolve) => (end = resolve));
    let settleSent!: (isSent: boolean) => void;
    queue.sent.set(turnId, new Promise((resolve) => (settleSent = resolve)));
    queue.unfinished += 1;
    const leave = (): void => {
      queue.unfinished -= 1;
      queue.sent.delete(turnId);
      if (queue.unfinished === 0) this.queues.delete(sessionId);
    };

    if (
      (await within(
        leftMs(),
        turnBefore.then(() => true),
      )) === undefined
    ) {
      void turnBefore.then(end);
      leave();
      settleSent(false);
      throw notSent(turn);
    }
    settleSent(true);
    let over: Promise<void> = Promise.resolve();
    try {
      return await turn.send(leftMs());
    } catch (error) {
      if (error instanceof DeadlineExceededError) over = turn.untilOver();
      throw error;
    } finally {
      void over.then(leave).then(end);
    }
  }

  /** @throws {QueueFullError} */
  private queueOf(sessionId: string): SessionQueue {
    const queue = this.queues.get(sessionId) ?? { unfinished: 0, last: Promise.resolve(), sent: new Map() };
    if (queue.unfinished >= limits.maxQueuedTurns) {
      throw new QueueFullError(
        `Session ${sessionId} has ${queue.unfinished} unfinished turns; the limit is ${limits.maxQueuedTurns}. Wait for an answer before sending more.`,
      );
    }
    this.queues.set(sessionId, queue);
    return queue;
  }
}

function notSent({ turnId, sessionId }: QueuedTurn<unknown>): TurnNotSentError {
  return new TurnNotSentError(
    `Turn ${turnId} waited for earlier turns of session ${sessionId} until its deadline, and was not sent. Send it again.`,
  );
}

/** Undefined when it takes longer. */
async function within<Result>(timeoutMs: number, result: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.min(timeoutMs, longestTimerMs));
  });
  try {
    return await Promise.race([result, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
