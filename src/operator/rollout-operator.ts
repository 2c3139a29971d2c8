import { connectOperator } from '../client/connect';
import { InvalidInputError, TemporalUnreachableError } from '../client/errors';
import { type RollbackAnswer, rollBackInLedger } from '../client/rollback';
import type { RecordedRow } from '../client/recorded-rows';
import type { RolloutClient } from '../client/rollout-client';
import { withKnownAddress } from '../config/connection-settings';
import { loadSettings, type LoadSettingsOptions } from '../config/load-settings';
import type { Settings } from '../config/settings';
import type { Ledger } from '../contract/ledger';
import type {
  RolloutCommandInput,
  RolloutCommandName,
  RolloutSpec,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { rolloutCommandProblem } from '../domain/rollout/validate-command';
import { type AuditReport, intactSentence } from './audit-chain';
import { connectPatienceMs } from './connections';
import { adoptRollout, sendEverybodyBack, type SentBack } from './emergency';
import { openLedgerIfAny } from './open-ledger';
import { findRollout } from './trail';
import { answerWithinMs, RecentLiveness } from './recent-liveness';
import { observeWorkflow, type ObservedWorkflow, readView, type RolloutView } from './view';
import { type WatchEnd, type WatchOptions, watchRollout } from './watch';

/** The result of a command, and the rollout's state after it. */
export type CommandOutcome = { readonly spec: RolloutSpec; readonly state: RolloutState } & (
  | {
      readonly kind: 'accepted';
      readonly reason: string;
      /** The rollback was written directly to the ledger, because no workflow answered. */
      readonly withoutWorkflow: boolean;
    }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The rollout has ended and takes no more commands. */
  | { readonly kind: 'ended' }
  /** Another rollout, named here, has taken over and routes turns. */
  | { readonly kind: 'taken-over'; readonly by: string }
  /** The rollout has no running workflow; it can be rolled back or adopted. */
  | { readonly kind: 'no-workflow' }
);

/** A rollback waits no longer than this for a Temporal that may be down. */
const rollbackConnectTimeoutMs = 5_000;

/** A worker that runs answers within a second. */
const waitingNoticeMs = 5_000;

/**
 * Operates the rollouts of one service. The ledger is open; Temporal is connected on first use. Reading and rollbacks
 * also work without it.
 */
export class RolloutOperator {
  readonly rollouts: Rollouts;
  private readonly liveness = new RecentLiveness(async (rollout) =>
    observeWorkflow(await this.clientIfAny(), rollout, answerWithinMs),
  );
  private connecting: Promise<RolloutClient> | undefined;

  /** Owns the ledger and the client, and closes both. */
  constructor(
    private readonly ledger: Pick<Ledger, 'rollouts' | 'close'> & Partial<Pick<Ledger, 'tallies'>>,
    private readonly connect: (connectTimeoutMs?: number) => Promise<RolloutClient>,
  ) {
    this.rollouts = ledger.rollouts;
  }

  /**
   * Starts a rollout and returns once its split is set; throws as `RolloutClient.start` does.
   * @param onWaiting called once if no worker has answered after a few seconds
   */
  async start(spec: RolloutSpec, onWaiting: () => void = () => undefined): Promise<RolloutStatus> {
    const client = await this.client();
    const timer = setTimeout(onWaiting, waitingNoticeMs);
    try {
      return await client.start(spec);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Runs a command on the named rollout, or the most recent one. A promotion applies to the percentage in `seenPercent`,
   * or else to the ledger's, so that two operators who both saw 10% do not promote by two steps.
   * @throws {InvalidInputError} names the field and the limit
   * @throws {TemporalUnreachableError} except for a rollback
   */
  async command(
    name: string | undefined,
    command: RolloutCommandName,
    input: RolloutCommandInput,
  ): Promise<CommandOutcome> {
    const problem = rolloutCommandProblem(input, command);
    if (problem) throw new InvalidInputError([problem]);
    const { spec, state } = await findRollout(this.rollouts, name);
    if (state.endedAtMs !== null) return { kind: 'ended', spec, state };
    const split = await this.rollouts.split();
    if (split !== null && split.rollout !== spec.name) return { kind: 'taken-over', spec, state, by: split.rollout };
    try {
      if (command === 'rollback') {
        const { reason, state: next, withoutWorkflow } = await this.rollBack(spec.name, input);
        return { kind: 'accepted', spec, state: next, reason, withoutWorkflow };
      }
      const client = await this.client();
      if ((await client.execution(spec.name)) !== 'running') return { kind: 'no-workflow', spec, state };
      const sent = command === 'promote' ? { ...input, seenPercent: input.seenPercent ?? state.percent } : input;
      const { accepted, reason, state: next } = await client.command(spec.name, command, sent);
      if (!accepted) return { kind: 'refused', spec, state: next, reason };
      return { kind: 'accepted', spec, state: next, reason, withoutWorkflow: false };
    } catch (error) {
      const { state: now } = await findRollout(this.rollouts, spec.name);
      if (now.endedAtMs !== null) return { kind: 'ended', spec, state: now };
      throw error;
    }
  }

  /**
   * Sends all users to the baseline of whatever routes turns, in whatever state, with or without Temporal.
   * @throws {InvalidInputError} names the field and the limit
   */
  sendEverybodyBack(input: RolloutCommandInput): Promise<SentBack> {
    return sendEverybodyBack(this.rollouts, input, (name) => this.rollBack(name, input));
  }

  /**
   * Gives the named rollout, or the most recent one, a new workflow that continues from what the ledger says, and pauses it
   * (at 100% nothing can be paused).
   * Refused while its workflow runs and records its decisions.
   * @throws {InvalidInputError} names the field and the limit
   * @throws {TemporalUnreachableError}
   */
  async adopt(name: string | undefined, input: RolloutCommandInput): Promise<CommandOutcome> {
    const problem = rolloutCommandProblem(input);
    if (problem) throw new InvalidInputError([problem]);
    const client = await this.client();
    const view = await this.view(name);
    const { spec, state, split } = view;
    if (state.endedAtMs !== null) return { kind: 'ended', spec, state };
    if (split !== null && split.rollout !== spec.name) return { kind: 'taken-over', spec, state, by: split.rollout };
    const adopted = await adoptRollout({ rollouts: this.rollouts, client }, view, input);
    if (adopted !== null) return { kind: 'accepted', spec, withoutWorkflow: false, ...adopted };
    const reason = 'Its workflow runs and records its decisions, so there is nothing to adopt.';
    return { kind: 'refused', spec, state, reason };
  }

  /** The current state of the named rollout, or the most recent one; works without Temporal, too. */
  async view(name: string | undefined): Promise<RolloutView> {
    const known = await findRollout(this.rollouts, name);
    return readView(this.rollouts, known, await observeWorkflow(await this.clientIfAny(), known.spec.name));
  }

  /**
   * What Temporal said of a rollout's workflow lately. Never waits long: until Temporal has answered for the first time it is
   * `unreachable`.
   */
  workflowNow(rollout: string): Promise<ObservedWorkflow> {
    return this.liveness.of(rollout);
  }

  /** Follows the named rollout, or the most recent one, until nothing more will happen by itself. */
  async watch(name: string | undefined, options: WatchOptions): Promise<WatchEnd> {
    const { spec } = await findRollout(this.rollouts, name);
    return watchRollout({ rollouts: this.rollouts, client: await this.clientIfAny(), name: spec.name }, options);
  }

  /** The rows of the audit trail in workflow histories; see `RolloutClient.recordedRows`. Null when Temporal does not answer. */
  async recordedRows(): Promise<readonly RecordedRow[] | null> {
    const names = new Set((await this.rollouts.auditTrail()).map(({ rollout }) => rollout));
    const client = await this.clientIfAny();
    return client === null ? null : client.recordedRows(names);
  }

  /**
   * Keeps a successful verification of the audit trail, for the page, if this process may write to the ledger. A failure may be
   * of this command alone, which may lack a key or expect another head, so whether to raise an alarm is for the workers to find.
   * @param name the only rollout whose decisions were computed again: that proves nothing of the others
   */
  async keepVerification(report: AuditReport, name: string | undefined): Promise<void> {
    const { problem, head } = report;
    if (problem !== null || name !== undefined) return;
    await this.ledger.tallies
      ?.keepVerification({ isIntact: true, message: intactSentence(report), position: head?.position ?? 0 })
      .catch(() => undefined);
  }

  async close(): Promise<void> {
    const client = await this.connecting?.catch(() => undefined);
    try {
      await client?.disconnect();
    } finally {
      await this.ledger.close();
    }
  }

  private async rollBack(name: string, input: RolloutCommandInput): Promise<RollbackAnswer> {
    // Whatever the error is, users must not wait for Temporal.
    const client = await this.client(rollbackConnectTimeoutMs).catch(() => null);
    return client === null ? rollBackInLedger(this.rollouts, name, input) : client.rollBack(name, input, this.rollouts);
  }

  /** Shared by all calls; a failed connection is retried by the next call. */
  private client(connectTimeoutMs?: number): Promise<RolloutClient> {
    this.connecting ??= this.connect(connectTimeoutMs).catch((error: unknown) => {
      this.connecting = undefined;
      throw error;
    });
    return this.connecting;
  }

  /** Null when Temporal does not answer. */
  private clientIfAny(): Promise<RolloutClient | null> {
    return this.client().catch((error: unknown) => {
      if (error instanceof TemporalUnreachableError) return null;
      throw error;
    });
  }
}

/**
 * Opens the ledger that the service's workers use, with the same settings. The caller must close the operator.
 * @throws {SettingsError}, or an error if there is no ledger yet
 */
export function openOperator(options: LoadSettingsOptions = {}): Promise<RolloutOperator> {
  return operatorWith(loadSettings({ callsProviders: false, ...options }));
}

/** Runs `work` with an operator and closes it. @throws if there is no ledger yet, and so no rollout */
export async function withOperator<T>(work: (operator: RolloutOperator, settings: Settings) => Promise<T>): Promise<T> {
  const settings = loadSettings();
  const operator = await operatorWith(settings);
  try {
    return await work(operator, settings);
  } finally {
    await operator.close();
  }
}

async function operatorWith(settings: Settings): Promise<RolloutOperator> {
  return operatorOn(await openLedgerOfOperator(settings), settings);
}

/** @throws if there is no ledger yet, and so no rollout */
export function openLedgerOfOperator(settings: Settings): Promise<Ledger> {
  return openLedgerIfAny(settings, (database): never => {
    throw new Error(
      `There is no ledger yet in ${database}, so there is no rollout. \`bellwether up\` or a worker creates it; set BELLWETHER_DATA_DIR or DATABASE_URL if it is elsewhere.`,
    );
  });
}

/** Owns the ledger from now on. Connects to Temporal when that is needed. */
export function operatorOn(ledger: Pick<Ledger, 'rollouts' | 'close'>, settings: Settings): RolloutOperator {
  return new RolloutOperator(ledger, async (connectTimeoutMs) => {
    const temporal = withKnownAddress(settings.temporal, settings.dataDirectory);
    return connectOperator({
      temporal,
      encryption: settings.encryption ?? null,
      connectTimeoutMs: connectTimeoutMs ?? (await connectPatienceMs(temporal.address)),
    });
  });
}
