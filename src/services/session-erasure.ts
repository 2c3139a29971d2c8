import type { Client } from '@temporalio/client';
import { isNotFound } from '../client/errors';
import type { Ledger } from '../contract/ledger';
import { closeSignal, conversationWorkflowId, searchAttributeNames } from '../contract/names';

/** Sessions of one sweep, and executions of one session; the next sweep goes on where this one ended. */
const sessionsAtOnce = 50;
const executionsAtOnce = 500;

/**
 * Temporal's lists are some seconds behind: that one has nothing of a session counts only this long after its deletion
 * began, when whatever was on its way has come.
 */
const listsAreBehindMs = 60_000;

export interface SessionErasureOptions {
  readonly ledger: Pick<Ledger, 'sessions' | 'closeSession'>;
  readonly client: Pick<Client, 'workflow' | 'workflowService' | 'options'>;
  /** How long after its beginning a deletion may end at the earliest. */
  readonly listsAreBehindMs?: number;
  readonly onError: (error: unknown) => void;
}

/**
 * Finishes the deletion of sessions, which a gateway has begun with a mark in the ledger: deletes all that Temporal has of
 * them. Every step is safe to repeat, and the mark of the end comes last, so that it does not matter who dies where.
 */
export class SessionErasure {
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: SessionErasureOptions) {}

  /** Never rejects. */
  sweep(nowMs = Date.now()): Promise<void> {
    const { ledger, onError } = this.options;
    this.running = this.running.then(async () => {
      try {
        for (const sessionId of await ledger.sessions.unfinishedDeletions(sessionsAtOnce)) {
          await this.erase(sessionId, nowMs).catch(onError);
        }
      } catch (error) {
        onError(error);
      }
    });
    return this.running;
  }

  /** Resolves once no sweep is under way. */
  stop(): Promise<void> {
    return this.running;
  }

  private async erase(sessionId: string, nowMs: number): Promise<void> {
    const { ledger, client } = this.options;
    // From here on no turn is admitted that a gateway may still have on its way.
    await ledger.closeSession(sessionId, nowMs);
    const workflowId = conversationWorkflowId(sessionId);
    const query = `WorkflowId = ${quoted(workflowId)} OR ${searchAttributeNames.session} = ${quoted(sessionId)}`;
    let count = 0;
    for await (const execution of client.workflow.list({ query })) {
      count += 1;
      if (count > executionsAtOnce) break;
      // What is under way is paid for and recorded first; a later sweep deletes it.
      if (execution.status.name !== 'RUNNING') await this.delete(execution);
      else if (execution.workflowId === workflowId) await this.close(workflowId);
    }
    const { listsAreBehindMs: behindMs = listsAreBehindMs } = this.options;
    const found = await ledger.sessions.find(sessionId);
    if (count === 0 && nowMs >= (found?.deletedAtMs ?? 0) + behindMs) {
      await ledger.sessions.endDeletion(sessionId, nowMs);
    }
  }

  private async close(workflowId: string): Promise<void> {
    await this.options.client.workflow.getHandle(workflowId).signal(closeSignal).catch(ignoreNotFound);
  }

  private async delete({ workflowId, runId }: { readonly workflowId: string; readonly runId: string }): Promise<void> {
    const { workflowService, options } = this.options.client;
    const { namespace } = options;
    await workflowService
      .deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } })
      .catch(ignoreNotFound);
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** Another worker was faster, or the list is behind. */
function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
