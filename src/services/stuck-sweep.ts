import { Client } from '@temporalio/client';
import { type NativeConnection, Runtime } from '@temporalio/worker';
import { endedBecause, endIfHopeless, listStuck } from '../client/stuck-workflows';

/** About half a second of Temporal's time for each worker; with more of them the next sweep goes on where this one ended. */
const lookedAtPerSweep = 500;

/** A worker must not wait for long before it begins to work; a Temporal far away is asked about fewer. */
const lookForMs = 5_000;

/** For all of a sweep: what was found has to be ended, too. */
const sweepWithinMs = 10_000;

export interface StuckSweepOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly onError: (error: unknown) => void;
}

/**
 * Ends what no worker survives (`endIfHopeless`). Whoever waits for a turn does so too, but not when the process that waited died
 * as well: so each worker does, before it takes its first task, which may be that one, and then now and then. Several workers
 * may find the same; one of them ends it. The youngest workflows are looked at first: one that is older than the first 500 is
 * found by a worker that lives long enough to get there, or by whoever waits for it.
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
      const deadlineAtMs = Date.now() + sweepWithinMs;
      await connection.withDeadline(deadlineAtMs, () => this.sweepPage()).catch(onError);
    });
    return this.running;
  }

  /** Resolves once nothing of it uses the connection any more. */
  stop(): Promise<void> {
    this.stopped = true;
    return this.running;
  }

  private async sweepPage(): Promise<void> {
    const { taskQueue } = this.options;
    const { logger } = Runtime.instance();
    const look = { atMost: lookedAtPerSweep, forMs: lookForMs, next: this.next };
    const { stuck, next } = await listStuck(this.client, taskQueue, look);
    this.next = next;
    for (const each of stuck) {
      if (await endIfHopeless(this.client, each)) logger.warn(`${each.workflowId} was ended. ${endedBecause(each)}`);
    }
  }
}
