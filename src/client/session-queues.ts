import { limits } from '../contract/limits';
import type { WhileBusy } from '../contract/chat';
import { DeadlineExceededError, QueueFullError, SessionBusyError, TurnNotSentError, TurnStoppedError } from './errors';

/** Node fires longer timers immediately. */
const longestTimerMs = 2 ** 31 - 1;

export interface QueuedTurn<Answer> {
  readonly sessionId: string;
  readonly turnId: string;
  /** From now, including the wait for earlier turns. */
  readonly deadlineMs: number;
  /** Default: `enqueue`. */
  readonly whileBusy?: WhileBusy | undefined;
  /** `leftMs` is the time left until the deadline. */
  send(leftMs: number): Promise<Answer>;
  /** For a turn that missed its deadline after it was sent: resolves once it is over. Never rejects. */
  untilOver(): Promise<void>;
}

interface SessionQueue {
  unfinished: number;
  /** Resolves when the newest turn is over. */
  last: Promise<void>;
  readonly turns: Map<string, UnfinishedTurn>;
}

interface UnfinishedTurn {
  /** Resolves once the turn is sent, or does not wait any longer. */
  readonly waited: Promise<Waited>;
  /** Ends its wait, unless it is sent already. */
  stop(): void;
}

type Waited = 'sent' | 'gave-up' | 'stopped';

/**
 * Sends the turns of a session to Temporal one at a time, as a conversation answers them one at a time; later turns
 * wait here, unless they interrupt them. Temporal admits ten updates of a workflow at once. An eleventh makes all of them lose their workflow task,
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
   * @throws {SessionBusyError} it has an unfinished turn, and this one is not to wait for it
   * @throws {TurnStoppedError}
   * @throws {TurnNotSentError} earlier turns took until its deadline
   */
  async answer<Answer>(turn: QueuedTurn<Answer>): Promise<Answer> {
    const deadlineAtMs = performance.now() + turn.deadlineMs;
    const leftMs = (): number => Math.max(0, deadlineAtMs - performance.now());
    const known = this.queues.get(turn.sessionId)?.turns.get(turn.turnId);
    if (known === undefined) return this.takePlace(turn, leftMs);

    const waited = await within(leftMs(), known.waited);
    if (waited === undefined) throw notSent(turn);
    if (waited === 'stopped') throw stopped(turn);
    return waited === 'sent' ? turn.send(leftMs()) : this.answer({ ...turn, deadlineMs: leftMs() });
  }

  /** Ends the wait of a turn that is not sent yet. */
  stop(sessionId: string, turnId: string): void {
    this.queues.get(sessionId)?.turns.get(turnId)?.stop();
  }

  private async takePlace<Answer>(turn: QueuedTurn<Answer>, leftMs: () => number): Promise<Answer> {
    const { sessionId, turnId, whileBusy } = turn;
    const queue = this.queueOf(sessionId);
    if (whileBusy === 'reject' && queue.unfinished > 0) throw busy(turn);
    if (whileBusy === 'interrupt') for (const earlier of queue.turns.values()) earlier.stop();
    const turnBefore = queue.last;
    let end!: () => void;
    queue.last = new Promise((resolve) => (end = resolve));
    let settleWait!: (waited: Waited) => void;
    const waited = new Promise<Waited>((resolve) => (settleWait = resolve));
    queue.turns.set(turnId, { waited, stop: () => settleWait('stopped') });
    queue.unfinished += 1;
    const leave = (): void => {
      queue.unfinished -= 1;
      queue.turns.delete(turnId);
      if (queue.unfinished === 0) this.queues.delete(sessionId);
    };

    // The conversation ends the earlier turns of a message that interrupts them.
    if (whileBusy === 'interrupt') settleWait('sent');
    else void turnBefore.then(() => settleWait('sent'));
    const ended = await within(leftMs(), waited);
    if (ended !== 'sent') {
      void turnBefore.then(end);
      leave();
      settleWait('gave-up');
      throw ended === 'stopped' ? stopped(turn) : notSent(turn);
    }
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
    const queue = this.queues.get(sessionId) ?? { unfinished: 0, last: Promise.resolve(), turns: new Map() };
    if (queue.unfinished >= limits.maxQueuedTurns) {
      throw new QueueFullError(
        `Session ${sessionId} has ${queue.unfinished} unfinished turns; the limit is ${limits.maxQueuedTurns}. Wait for an answer before sending more.`,
      );
    }
    this.queues.set(sessionId, queue);
    return queue;
  }
}

function busy({ turnId, sessionId }: QueuedTurn<unknown>): SessionBusyError {
  return new SessionBusyError(
    `Session ${sessionId} has a turn that has not ended, and turn ${turnId} was not to wait for it. It was not begun.`,
  );
}

function stopped({ turnId }: QueuedTurn<unknown>): TurnStoppedError {
  return new TurnStoppedError(
    `Turn ${turnId} was stopped before it was sent: no model was called and nothing was charged.`,
  );
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
