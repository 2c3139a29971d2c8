import type { RolloutClient } from '../client/rollout-client';
import type { Ledger } from '../contract/ledger';
import type { NewNotification } from '../contract/notifications';
import type { Policy } from '../contract/policy';
import type { RolloutEntry } from '../contract/rollout';
import { allTargets, type RoutedParts } from '../domain/turn/routing';
import { nextAnalysisAtMs } from '../domain/rollout/clock';
import { observeWorkflow } from '../operator/view';
import { type RolloutWarning, workflowWarning } from '../operator/warnings';
import { Loop } from './loop';
import {
  type BudgetLevel,
  budgetLevels,
  budgetNotification,
  budgetRefusalNotification,
  circuitNotification,
  stalledNotification,
  verifyNotification,
} from './sentences';

/** A circuit stays open for longer. */
const defaultWatchMs = 2_000;

/** A rollout that nobody looks after loses minutes and not seconds; each look asks Temporal. */
const defaultStallMs = 30_000;

/** All workers see a provider fail within seconds of each other, and a provider that is about to fail comes and goes. */
const defaultCircuitNotAgainMs = 10 * 60_000;

/** A trail that was damaged stays so: a reminder a day until somebody restores it. */
const verificationNotAgainMs = 24 * 60 * 60_000;

/** As of `TargetBreakers.states`. */
interface Circuit {
  readonly provider: string;
  readonly model: string;
  readonly state: 'closed' | 'open' | 'half-open';
}

export interface WatcherOptions {
  readonly ledger: Pick<Ledger, 'rollouts' | 'notifications' | 'today' | 'page'>;
  readonly rolloutClient: RolloutClient;
  /** It may change while this runs. */
  readonly policyNow: () => RoutedParts & Pick<Policy, 'breaker' | 'budgets'>;
  readonly circuits: () => readonly Circuit[];
  readonly onError: (error: unknown) => void;
  /** For tests. */
  readonly watchMs?: number;
  readonly stallMs?: number;
  readonly circuitNotAgainMs?: number;
}

/**
 * Notices what no decision of a rollout says: the day's budget, this worker's circuits, a rollout that is not looked after, and
 * an audit trail that does not add up.
 */
export class Watcher {
  private readonly loops: readonly Loop[];
  /** Of each open circuit, when to tell of it by `performance.now()`; infinite once it is told. */
  private readonly open = new Map<string, number>();
  /** The UTC day whose budget has refused a turn at this worker, until that is told. */
  private refusedOn: string | null = null;
  private lastStall: string | null = null;

  constructor(private readonly options: WatcherOptions) {
    const { watchMs = defaultWatchMs, stallMs = defaultStallMs, onError } = options;
    this.loops = [
      new Loop(watchMs, () => this.watchCircuits(), onError),
      new Loop(watchMs, () => this.watchBudget(), onError),
      new Loop(stallMs, () => this.watchRollout(), onError),
      new Loop(stallMs, () => this.watchVerification(), onError),
    ];
  }

  /** A turn was refused because the rest of the day's budget does not suffice. */
  dayBudgetRefused(): void {
    this.refusedOn = new Date().toISOString().slice(0, 10);
  }

  async stop(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }

  /**
   * A trial call that fails does not open a circuit once more: it has been open all the time. If the circuit was told of
   * shortly before it opened, it is tried a second time. If that says no, another worker has told of it since.
   */
  private async watchCircuits(): Promise<void> {
    const { ledger, policyNow, circuits, circuitNotAgainMs = defaultCircuitNotAgainMs } = this.options;
    const open = new Map(
      circuits()
        .filter(({ state }) => state !== 'closed')
        .map((circuit) => [`circuit:${circuit.provider} ${circuit.model}`, circuit]),
    );
    const policy = policyNow();
    for (const key of this.open.keys()) if (!open.has(key)) this.open.delete(key);
    for (const [key, circuit] of open) {
      const atMs = this.open.get(key);
      const nowMs = performance.now();
      if (atMs !== undefined && nowMs < atMs) continue;
      const notification = circuitNotification(circuit, targetsOf(policy, circuit), policy.breaker.failures);
      const isAdded = await ledger.notifications.add(notification, { key, withinMs: circuitNotAgainMs });
      const isTold = isAdded || atMs !== undefined;
      this.open.set(key, isTold ? Infinity : nowMs + circuitNotAgainMs);
    }
  }

  private async watchBudget(): Promise<void> {
    const { ledger, policyNow } = this.options;
    const { dayNanoUsd } = policyNow().budgets;
    const spending = await ledger.today();
    const usedPercent = (100 * spending.spentNanoUsd) / dayNanoUsd;
    const level = budgetLevels.findLast((each) => usedPercent >= each) ?? 0;
    const tellOnce = (notification: NewNotification, keyOf: (level: BudgetLevel) => string): Promise<boolean> => {
      // What calls in flight turn out to cost may take the day below a level again.
      const orAfter = budgetLevels.filter((each) => each > level).map(keyOf);
      return ledger.notifications.add(notification, { key: keyOf(level), orAfter, withinMs: Infinity });
    };
    if (this.refusedOn === spending.day) {
      // Once for each level: one large request early in the day must not hide that turns are refused at its end.
      const notification = budgetRefusalNotification(level, spending, dayNanoUsd);
      await tellOnce(notification, (each) => `budget:${spending.day}:refused:${each}`);
      this.refusedOn = null;
    }
    if (level === 0) return;
    await tellOnce(budgetNotification(level, spending, dayNanoUsd), (each) => `budget:${spending.day}:${each}`);
  }

  /** Workers verify the audit trail every hour. */
  private async watchVerification(): Promise<void> {
    const { page, notifications } = this.options.ledger;
    const verification = await page.verification();
    if (verification === null || verification.isIntact) return;
    const notAgain = { key: `verify:${verification.position}`, withinMs: verificationNotAgainMs };
    await notifications.add(verifyNotification(verification), notAgain);
  }

  /** Told when it is found twice in a row, because a workflow may be between two runs, or about to record. */
  private async watchRollout(): Promise<void> {
    const { notifications } = this.options.ledger;
    const stall = await this.findStall();
    const key = stall === null ? null : `stalled:${stall.rollout}:${stall.sequence}:${stall.warning.code}`;
    if (stall !== null && key !== null && key === this.lastStall) {
      await notifications.add(stalledNotification(stall.rollout, stall.warning), { key, withinMs: Infinity });
    }
    this.lastStall = key;
  }

  private async findStall(): Promise<Stall | null> {
    const { rolloutClient, ledger } = this.options;
    const { rollouts } = ledger;
    const split = await rollouts.split();
    const last = split?.active ? await rollouts.lastAuditRow(split.rollout) : null;
    if (last === null) return null;
    const { rollout, sequence } = last;
    const { spec, decision } = JSON.parse(last.entry) as RolloutEntry;
    const { status: workflow, recordingFailure } = await observeWorkflow(rolloutClient, rollout);
    const analysisDueAtMs = nextAnalysisAtMs(spec, decision.next, last.atMs);
    const atMs = await rollouts.nowMs();
    const warning = workflowWarning({ spec, atMs, analysisDueAtMs, workflow, recordingFailure });
    // Temporal may be back any moment; if not, the rollout will be overdue.
    return warning === null || warning.code === 'temporal-unreachable' ? null : { rollout, sequence, warning };
  }
}

interface Stall {
  readonly rollout: string;
  /** Of its last audit row: nothing was decided since. */
  readonly sequence: number;
  readonly warning: RolloutWarning;
}

function targetsOf(policy: RoutedParts, { provider, model }: Circuit): readonly string[] {
  const named = allTargets(policy).filter((target) => target.provider === provider && target.model === model);
  return [...new Set(named.map(({ name }) => name))];
}
