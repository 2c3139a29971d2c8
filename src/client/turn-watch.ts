import { type Client, WorkflowFailedError } from '@temporalio/client';
import { TerminatedFailure } from '@temporalio/common';
import type { ChatReply, Transcript } from '../contract/chat';
import * as names from '../contract/names';
import { isNotFound, TurnHopelessError, TurnNotFoundError } from './errors';
import { endedBecause, endIfHopeless, findStuck, isEndedStuck, wasEndedStuck } from './stuck-workflows';

/** Most turns are answered by then; of the others one look in so long costs Temporal nothing to speak of. */
const lookEveryMs = 20_000;

/** Looks after the workflow that somebody waits for: one that takes down every worker is ended, and its caller is told. */
export class TurnWatch {
  /** Of the workflow as it was last seen. */
  private runId: string | undefined;
  /** Over all tries of a call, of which each may be short. */
  private nextLookAtMs = Date.now() + lookEveryMs;

  constructor(
    private readonly temporal: Client,
    private readonly workflowId: string,
    private readonly subject: string,
  ) {}

  /** @throws {TurnHopelessError} and whatever `call` throws */
  async over<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    await this.refuseEnded();
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const hopeless = new Promise<never>((_, reject) => {
      const lookWhenDue = (): void => {
        if (isOver) return;
        timer = setTimeout(() => {
          // A look that fails says nothing of the turn: the call itself meets what is wrong, and the next look is near.
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
      // A worker may have found it first.
      const reason =
        error instanceof WorkflowFailedError && error.cause instanceof TerminatedFailure && error.cause.message;
      throw reason && isEndedStuck(reason) ? this.hopeless(reason) : error;
    } finally {
      isOver = true;
      clearTimeout(timer);
    }
  }

  /**
   * For whoever would begin a conversation anew: the message that ended it would end it again. @throws {TurnHopelessError}
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

/** Waits for the reply of a turn that was begun before, also beside a session's conversation. @throws {TurnNotFoundError} */
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

async function joinOneShotTurn(temporal: Client, turnId: string, sessionId: string | null): Promise<ChatReply> {
  return (await temporal.workflow.getHandle(names.turnWorkflowId(turnId, sessionId)).result()) as ChatReply;
}

async function joinSessionTurn(temporal: Client, turnId: string, sessionId: string): Promise<ChatReply> {
  const conversation = temporal.workflow.getHandle(names.conversationWorkflowId(sessionId));
  try {
    return await conversation.getUpdateHandle<ChatReply>(turnId).result();
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // Updates are known by run. A conversation that has continued as new carries its recent turns along.
    const { turns } = await conversation.query<Transcript>(names.transcriptQuery);
    const turn = turns.findLast((each) => each.turnId === turnId);
    if (!turn) throw error;
    return turn.reply;
  }
}
