import type { AttemptResult, ClaimedDelivery, Notifications, NotifyTarget } from '../contract/notifications';
import { Loop } from './loop';
import { send } from './send';
import { rolloutNotification, undeliveredNotification, wants } from './sentences';

/** People read a message within minutes; the ledger reads a few rows by their keys each time. */
const defaultPollMs = 1_000;

/** Three times what an attempt may take: whoever needs longer is dead, or was stopped for so long that it counts as dead. */
const defaultLeaseMs = 30_000;

/** Doubled with every attempt. */
const defaultFirstRetryMs = 2_000;

/** A receiver that is back hears everything within this time. */
const maxRetryMs = 5 * 60_000;

/** A worker that stops finishes the attempt that runs, if that is quick: otherwise its receiver is told twice. */
const stopGraceMs = 2_000;

/** Forgetting is not urgent. */
const pruneEveryMs = 60 * 60_000;

const dayMs = 24 * 60 * 60_000;

export interface NotifierOptions {
  readonly notifications: Notifications;
  readonly targets: readonly NotifyTarget[];
  readonly onError: (error: unknown) => void;
  readonly warn: (message: string) => void;
  /** For tests. */
  readonly pollMs?: number;
  readonly leaseMs?: number;
  readonly firstRetryMs?: number;
}

/**
 * A worker's part in telling people what happens: makes notifications of new audit rows, and delivers what is due. Every
 * worker does the same, and the ledger gives each delivery to one of them at a time. There is one loop for each target, so a
 * target that hangs holds up no other; and none is on the way of a turn or a decision.
 */
export class Notifier {
  private readonly aborting = new AbortController();
  private loops: readonly Loop[] = [];
  private prunedAtMs = 0;

  constructor(private readonly options: NotifierOptions) {}

  /** Resolves once all targets are known to the ledger: they hear what happens from then on. */
  async start(): Promise<void> {
    const { notifications, targets, pollMs = defaultPollMs, onError } = this.options;
    if (targets.length === 0) return;
    await notifications.register(targets.map(({ name }) => name));
    const deliveries = targets.map((target) => new Loop(pollMs, (stopping) => this.deliver(target, stopping), onError));
    this.loops = [new Loop(pollMs, () => this.collect(), onError), ...deliveries];
  }

  /** Resolves once nothing of it runs any more. */
  async stop(): Promise<void> {
    const abort = setTimeout(() => this.aborting.abort(), stopGraceMs);
    await Promise.all(this.loops.map((loop) => loop.stop()));
    clearTimeout(abort);
  }

  private async collect(): Promise<void> {
    const { notifications } = this.options;
    await notifications.collect(rolloutNotification);
    if (Date.now() - this.prunedAtMs < pruneEveryMs) return;
    await notifications.prune();
    this.prunedAtMs = Date.now();
  }

  private async deliver(target: NotifyTarget, stopping: AbortSignal): Promise<void> {
    const { notifications, leaseMs = defaultLeaseMs } = this.options;
    await notifications.queue(target.name, (notification) => wants(target, notification));
    while (!stopping.aborted) {
      const delivery = await notifications.claim(target.name, leaseMs);
      if (delivery === null) return;
      await this.attempt(target, delivery);
    }
  }

  private async attempt(target: NotifyTarget, delivery: ClaimedDelivery): Promise<void> {
    const { notifications, warn } = this.options;
    const { notification, attempt } = delivery;
    const sent = await send(target, notification, this.aborting.signal);
    const result: AttemptResult =
      sent.kind === 'delivered'
        ? { kind: 'delivered' }
        : { kind: 'failed', error: sent.error, retryInMs: this.retryInMs(attempt, sent.retryAfterMs) };
    if (result.kind === 'failed' && attempt === 1) {
      warn(`${target.name} could not be told "${notification.title}": ${result.error}. It is tried again for a day.`);
    }
    if (!(await notifications.record(delivery, result))) return;
    warn(`${target.name} could not be told "${notification.title}" for a day; it is given up.`);
    const notAgain = { key: `undelivered:${target.name}`, withinMs: dayMs };
    await notifications.add(undeliveredNotification(target.name, notification), notAgain);
  }

  /** At once if this process stops: the next one takes it. */
  private retryInMs(attempt: number, retryAfterMs: number | null): number {
    if (this.aborting.signal.aborted) return 0;
    const { firstRetryMs = defaultFirstRetryMs } = this.options;
    const ownMs = firstRetryMs * 2 ** Math.min(attempt - 1, 20);
    // Up to a tenth less, so that targets which failed together are not tried together.
    const atMostMs = Math.min(Math.max(ownMs, retryAfterMs ?? 0), maxRetryMs);
    return Math.round(atMostMs * (1 - Math.random() / 10));
  }
}
