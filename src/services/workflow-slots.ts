import { totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CustomSlotSupplier, SlotPermit, SlotReserveContext, WorkflowSlotInfo } from '@temporalio/worker';

export interface WorkflowSlotOptions {
  readonly maxSlots: number;
  /** How much memory this process takes, and how much it may take. Bytes. */
  readonly memory?: { used(): number; readonly limit: number };
}

/** The container's limit, or the machine's memory if there is none. */
const memoryOfProcess = {
  used: () => process.memoryUsage.rss(),
  limit: Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()),
};

/** The rest is for what collections of garbage leave for later. */
const shareOfMemory = 0.85;

/** What a turn of a megabyte takes at its peak, which comes only after its slot was given. */
const bytesPerNewSlot = 8 * 1024 * 1024;

/**
 * Slots for turns and sessions that are not in the cache, however little memory is left: so many never fill it, and a
 * worker whose memory is full of idle sessions, which only newer ones push out of the cache, goes on.
 */
const slotsWithoutMemory = 8;

const lookAgainMs = 50;

/**
 * The slots of workflow tasks. While memory is or may soon be short, a worker goes on with the turns that it has, and leaves others to
 * workers with more room, or in Temporal's queue. Core's resource-based slots would do that as well, but would also refuse
 * turns on a busy processor, where waiting for models takes no time of it.
 */
export class WorkflowSlots implements CustomSlotSupplier<WorkflowSlotInfo> {
  readonly type = 'custom';
  private readonly permits = new Set<SlotPermit>();
  private newPermits = 0;
  private readonly maxSlots: number;
  private readonly memory: NonNullable<WorkflowSlotOptions['memory']>;

  constructor({ maxSlots, memory = memoryOfProcess }: WorkflowSlotOptions) {
    this.maxSlots = maxSlots;
    this.memory = memory;
  }

  async reserveSlot(context: SlotReserveContext, signal: AbortSignal): Promise<SlotPermit> {
    for (;;) {
      const permit = this.tryReserveSlot(context);
      if (permit !== null) return permit;
      // The SDK expects its own reason, not the timer's error.
      await sleep(lookAgainMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  tryReserveSlot({ isSticky }: SlotReserveContext): SlotPermit | null {
    if (this.permits.size >= this.maxSlots) return null;
    if (!isSticky && this.newPermits >= slotsWithoutMemory && this.isMemoryShort()) return null;
    const permit = { isSticky };
    this.permits.add(permit);
    if (!isSticky) this.newPermits += 1;
    return permit;
  }

  markSlotUsed(): void {
    // A reserved slot counts as used.
  }

  releaseSlot({ permit }: { readonly permit: SlotPermit }): void {
    if (this.permits.delete(permit) && !(permit as { isSticky: boolean }).isSticky) this.newPermits -= 1;
  }

  private isMemoryShort(): boolean {
    const expected = this.memory.used() + (this.newPermits + 1) * bytesPerNewSlot;
    return expected > this.memory.limit * shareOfMemory;
  }
}
