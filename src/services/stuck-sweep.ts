import { Client } from '@temporalio/client';
import { type NativeConnection, Runtime } from '@temporalio/worker';
import { endedBecause, endIfHopeless, listStuck } from '../client/stuck-workflows';

/** About half a second of Temporal's time per worker; if there are more workflows, the next sweep continues where this one ended. */
const maxWorkflowsPerSweep = 500;

/** A worker must not wait long before it starts to work; with a slow connection to Temporal, fewer workflows are checked. */
const listTimeoutMs = 5_000;

/** For the whole sweep, which also ends the workflows that it found. */
const sweepTimeoutMs = 10_000;

export interface StuckSweepOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly onError: (error: unknown) => void;
}

/**
 * Ends workflows that crash every worker (`endIfHopeless`). Clients that wait for a turn do so, too, but the waiting process
 * may have died as well. So every worker sweeps before it takes its first task, which may be the fatal one, and then
 * periodically. If several workers find the same workflow, one of them ends it. The newest workflows are checked first: one
 * beyond the first 500 is found by a worker that lives long enough to get there, or by a client that waits for it.
 */
export class StuckSweep {
  private next: Uint8Array | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private readonly client: Client;

  constructor(private readonly options: StuckSweepOptions) {
    this.client = new Client({ connection: options.connection, namespace: options.namespace });
  }

  /** Never rejects. */
  sweep(): Promise<void> {
    const { connection, onError } = this.options;
    this.running = this.running.then(async () => {
      if (this.stopped) return;
      const deadlineAtMs = Date.now() + sweepTimeoutMs;
      await connection.withDeadline(deadlineAtMs, () => this.sweepPage()).catch(onError);
    });
    return this.running;
  }

  /** Resolves once the sweep no longer uses the connection. */
  stop(): Promise<void> {
    this.stopped = true;
    return this.running;
  }

  private async sweepPage(): Promise<void> {
    const { taskQueue } = this.options;
    const { logger } = Runtime.instance();
    const look = { atMost: maxWorkflowsPerSweep, forMs: listTimeoutMs, next: this.next };
    const { stuck, next } = await listStuck(this.client, taskQueue, look);
    this.next = next;
    for (const each of stuck) {
      if (await endIfHopeless(this.client, each))
        logger.warn(`${each.workflowId} was terminated. ${endedBecause(each)}`);
    }
  }
}
