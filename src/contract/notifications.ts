import type { AuditRow } from './rollout-ledger';

/** What people can be told about; the names are those of `events` in the configuration. */
export const notificationEvents = [
  'started',
  'advanced',
  'held',
  'paused',
  'resumed',
  'rolled-back',
  'finished',
  /** No workflow runs the rollout, or it does not decide. */
  'stalled',
  /** The day's budget is half used, at 80 % or at 95 %, or it has refused a turn. */
  'budget',
  'circuit-opened',
  'verify-failed',
  /** A person answers in a session from now on, or the model again; a message of its user waits for the person. */
  'session-handed-over',
  'session-given-back',
  'message-while-handed-over',
  /** Another target could not be told something for a day. */
  'undelivered',
] as const;
export type NotificationEvent = (typeof notificationEvents)[number];

/** Something to tell people. Never the text of a message, and no user's id but in an operator's reason. */
export interface NewNotification {
  readonly event: NotificationEvent;
  /** Null: about the whole service. */
  readonly rollout: string | null;
  /** One line, without a full stop. */
  readonly title: string;
  /** One or more sentences; of a rollout, the decision's own reason. */
  readonly text: string;
  readonly facts: Readonly<Record<string, string | number | null>>;
}

/** With what every target is told of it. */
export interface Notification extends Omit<NewNotification, 'event'> {
  /** The same in every attempt and for every target. */
  readonly id: string;
  readonly event: NotificationEvent | 'test';
  readonly createdAtMs: number;
}

/** When something is not told once more. */
export interface NotAgain {
  /** Of this notification, and others that make it superfluous. */
  readonly key: string;
  readonly orAfter?: readonly string[];
  /** `Infinity`: as long as notifications are kept. */
  readonly withinMs: number;
}

/** A delivery that this process may attempt now. */
export interface ClaimedDelivery {
  readonly notification: Notification;
  readonly target: string;
  /** Its place in the order of all notifications. */
  readonly number: number;
  /** Of this attempt, from 1. */
  readonly attempt: number;
}

export type AttemptResult =
  | { readonly kind: 'delivered' }
  /** `error` contains no secret. */
  | { readonly kind: 'failed'; readonly error: string; readonly retryInMs: number };

/** What has been told to a target, as far as it is kept. */
export interface TargetDeliveries {
  readonly target: string;
  readonly delivered: number;
  readonly waiting: number;
  readonly givenUp: number;
  readonly oldestWaitingAtMs: number | null;
  readonly lastDeliveredAtMs: number | null;
  /** Of the oldest that waits or, if none does, of the last that was given up; null if neither has failed. */
  readonly lastError: string | null;
}

/** After a day of attempts, a target is not told any more: it would be news from yesterday. */
export const giveUpAfterMs = 24 * 60 * 60 * 1000;

/** Of one target; the oldest ones are given up first. A rollout has a few dozen. */
export const maxWaitingDeliveries = 1_000;

/**
 * The outbox: what is to be told, and to whom. A target hears everything at least once, and what concerns one rollout in order.
 * In all methods, `atMs` is for tests; the default is the time of the ledger's database.
 */
export interface Notifications {
  /** Makes targets known: each hears what is added after it was first known. */
  register(targets: readonly string[]): Promise<void>;
  /** Returns false, and adds nothing, if the same has been told recently. */
  add(notification: NewNotification, notAgain: NotAgain, atMs?: number): Promise<boolean>;
  /**
   * Adds what `describe` makes of the audit rows that are new since the last call of any process, each once. Rows from before
   * the first `register` and rows older than a day are left out. Returns how many rows there were.
   */
  collect(describe: (row: AuditRow) => NewNotification | null, atMs?: number): Promise<number>;
  /**
   * Queues what has been added since for a registered target, if `isWanted`. Beyond `maxWaitingDeliveries`, the oldest are
   * given up. Returns how many were queued.
   */
  queue(target: string, isWanted: (notification: Notification) => boolean, atMs?: number): Promise<number>;
  /**
   * The next delivery that is due. No other process gets it, or a later one of the same rollout, until `record` is called or
   * `leaseMs` have passed: then whoever had it counts as dead.
   */
  claim(target: string, leaseMs: number, atMs?: number): Promise<ClaimedDelivery | null>;
  /**
   * Writes how an attempt ended. A failure counts only if no other process has claimed the delivery since. Returns whether it
   * was given up.
   */
  record(delivery: ClaimedDelivery, result: AttemptResult, atMs?: number): Promise<boolean>;
  /** All targets that were ever told something that is still kept, sorted by name. */
  deliveries(): Promise<readonly TargetDeliveries[]>;
  /** Forgets notifications after a week, whatever became of them. Returns how many. */
  prune(atMs?: number): Promise<number>;
}

/** Whom to tell, as configured under `notify`. */
export interface NotifyTarget {
  readonly name: string;
  readonly format: NotifyFormat;
  readonly events: ReadonlySet<NotificationEvent>;
  /** Of the operator's page; null: notifications link to nothing. */
  readonly pageUrl: string | null;
  /** Where its address is, without the address: `SLACK_WEBHOOK_URL`, `url`. */
  readonly source: string;
  /** Reads the secrets again, so that they can be replaced. @throws if they cannot be used; the message does not contain them */
  readonly readAddress: () => NotifyAddress;
}

export const notifyFormats = ['json', 'slack'] as const;
type NotifyFormat = (typeof notifyFormats)[number];

export interface NotifyAddress {
  readonly url: string;
  /** A delivery is signed with each, so that a receiver can accept the old one while it is replaced. Empty: not signed. */
  readonly secrets: readonly Uint8Array[];
}
