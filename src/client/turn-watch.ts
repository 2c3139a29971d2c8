import { type Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { TerminatedFailure } from '@temporalio/common';
import type { ChatReply, Transcript } from '../contract/chat';
import * as names from '../contract/names';
import { isNotFound, isTooLate, TurnHopelessError, TurnNotFoundError } from './errors';
import { endedBecause, endIfHopeless, findStuck, isEndedStuck, wasEndedStuck } from './stuck-workflows';

/** Most turns are answered by then; for the rest, one check at this interval costs Temporal almost nothing. */
const lookEveryMs = 20_000;

/** Watches the workflow behind a waiting call: ends it if it takes down every worker, and tells the caller. */
export class TurnWatch {
  /** Of the workflow when it was last checked. */
  private runId: string | undefined;
  /** Kept across all tries of a call, since each may be short. */
  private nextLookAtMs = Date.now() + lookEveryMs;

  constructor(
    private readonly temporal: Client,
    private readonly workflowId: string,
    private readonly subject: string,
  ) {}

  /** @throws {TurnHopelessError} and anything that `call` throws */
  async over<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    await this.refuseEnded();
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const hopeless = new Promise<never>((_, reject) => {
      const lookWhenDue = (): void => {
        if (isOver) return;
        timer = setTimeout(() => {
          // A failed check says nothing about the turn: the call itself meets the same problem, and the next check is
          // soon.
          this.look().then(lookWhenDue, (error: unknown) => {
            if (error instanceof TurnHopelessError) reject(error);
            else lookWhenDue();
          });
        }, this.nextLookAtMs - Date.now());
      };
      lookWhenDue();
    });
    try {
      return await Promise.race([call(), hopeless]);
    } catch (error) {
      // A worker may have ended it first.
      const reason =
        error instanceof WorkflowFailedError && error.cause instanceof TerminatedFailure && error.cause.message;
      throw reason && isEndedStuck(reason) ? this.hopeless(reason) : error;
    } finally {
      isOver = true;
      clearTimeout(timer);
    }
  }

  /**
   * Call before restarting a conversation: the message that ended it would end it again. @throws {TurnHopelessError}
   */
  async refuseEnded(): Promise<void> {
    if (this.runId === undefined) return;
    const reason = await wasEndedStuck(this.temporal, this.workflowId, this.runId).catch(() => null);
    if (reason !== null) throw this.hopeless(reason);
  }

  private async look(): Promise<void> {
    this.nextLookAtMs = Date.now() + lookEveryMs;
    await this.refuseEnded();
    const stuck = await findStuck(this.temporal, this.workflowId).catch((error: unknown) => {
      if (isNotFound(error)) return null;
      throw error;
    });
    if (stuck === null) return;
    this.runId = stuck.runId;
    if (await endIfHopeless(this.temporal, stuck)) throw this.hopeless(endedBecause(stuck));
  }

  private hopeless(reason: string): TurnHopelessError {
    return new TurnHopelessError(
      `${this.subject} was ended. ${reason} Do not send the same message again; the session can go on with another.`,
    );
  }
}

/**
 * Waits for the reply of a turn started earlier; also finds one-shot turns of a session. @throws {TurnNotFoundError}
 */
export async function joinTurn(temporal: Client, turnId: string, sessionId: string | undefined): Promise<ChatReply> {
  try {
    if (sessionId === undefined) return await joinOneShotTurn(temporal, turnId, null);
    try {
      return await joinSessionTurn(temporal, turnId, sessionId);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return await joinOneShotTurn(temporal, turnId, sessionId);
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new TurnNotFoundError(`Turn ${turnId} is not known to Temporal.`, { cause: error });
  }
}

/** The result of a session's turn: of its latest update, if earlier ones were ended as too late. */
export async function updateResult(
  conversation: Pick<WorkflowHandle, 'getUpdateHandle'>,
  turnId: string,
  round = 0,
): Promise<ChatReply> {
  try {
    return await conversation.getUpdateHandle<ChatReply>(names.sendMessageUpdateId(turnId, round)).result();
  } catch (error) {
    if (!isTooLate(error)) throw error;
    return updateResult(conversation, turnId, round + 1).catch((later: unknown) => {
      throw isNotFound(later) ? error : later;
    });
  }
}

async function joinOneShotTurn(temporal: Client, turnId: string, sessionId: string | null): Promise<ChatReply> {
  return (await temporal.workflow.getHandle(names.turnWorkflowId(turnId, sessionId)).result()) as ChatReply;
}

async function joinSessionTurn(temporal: Client, turnId: string, sessionId: string): Promise<ChatReply> {
  const conversation = temporal.workflow.getHandle(names.conversationWorkflowId(sessionId));
  try {
    return await updateResult(conversation, turnId);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // Temporal keeps updates per run, but a conversation that continued as new keeps its recent turns.
    const { turns } = await conversation.query<Transcript>(names.transcriptQuery);
    const turn = turns.findLast((each) => each.turnId === turnId);
    if (!turn) throw error;
    return turn.reply;
  }
}
