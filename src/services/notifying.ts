import { Client } from '@temporalio/client';
import { type NativeConnection, Runtime } from '@temporalio/worker';
import { RolloutClient } from '../client/rollout-client';
import { addressProblems } from '../config/notify';
import { type Settings, SettingsError } from '../config/settings';
import type { HandOffEvent } from '../contract/hand-off';
import type { Ledger } from '../contract/ledger';
import { createDataConverter } from '../encryption/data-converter';
import { Notifier } from '../notify/notifier';
import { handOffKey, handOffNotification } from '../notify/sentences';
import { Watcher, type WatcherOptions } from '../notify/watcher';

/** Describing a workflow takes milliseconds; what takes longer is not asked again before the next look. */
const describeTimeoutMs = 10_000;

export interface Notifying {
  dayBudgetRefused(): void;
  /** Safe to repeat. */
  handOff(event: HandOffEvent): Promise<void>;
  stop(): Promise<void>;
}

export interface NotifyingOptions extends Pick<WatcherOptions, 'policyNow' | 'circuits' | 'onError'> {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly connection: NativeConnection;
}

/** Starts a worker's part in telling people what happens; nothing if nobody is to be told. */
export async function startNotifying(options: NotifyingOptions): Promise<Notifying> {
  const { settings, ledger, connection, onError } = options;
  const { notify: targets, temporal } = settings;
  if (targets.length === 0)
    return { dayBudgetRefused: () => undefined, handOff: async () => undefined, stop: async () => undefined };
  const { namespace, taskQueue } = temporal;
  const client = new Client({ connection, namespace, dataConverter: createDataConverter(settings.encryption) });
  const { logger } = Runtime.instance();
  const notifier = new Notifier({
    notifications: ledger.notifications,
    targets,
    onError,
    warn: (message) => logger.warn(message),
  });
  await notifier.start();
  const rolloutClient = new RolloutClient(client, taskQueue, describeTimeoutMs);
  const watcher = new Watcher({ ...options, rolloutClient });
  return {
    dayBudgetRefused: () => watcher.dayBudgetRefused(),
    async handOff(event) {
      await ledger.notifications.add(handOffNotification(event), { key: handOffKey(event), withinMs: Infinity });
    },
    async stop() {
      await watcher.stop();
      await notifier.stop();
    },
  };
}

/** @throws {SettingsError} when a target's address or secret cannot be read here */
export function requireAddresses({ notify }: Pick<Settings, 'notify'>): void {
  const problems = addressProblems(notify);
  if (problems.length > 0) throw new SettingsError(problems);
}
