import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge, Registry } from 'prom-client';
import type { RolloutSignals, ServiceSignals } from '../operator/rollout-signals';
import { languageLabel } from './metrics';

/** A reading of the ledger serves all scrapes of this time: Prometheus asks every 15 s, and several may ask. */
const keepReadingMs = 10_000;
/** The label of a measure that is about all users. */
const allLanguages = 'all';

/** A scrape waits no longer than this for the ledger and Temporal. */
const readTimeoutMs = 8_000;

/**
 * What the ledger says of the newest rollout, and of the day's budget: exported by gateways, and read when somebody asks.
 * Only of one rollout, so that there are few series. If the ledger cannot be read, these metrics are absent.
 */
export class RolloutMetrics {
  private readonly registry = new Registry();
  private readonly clearings: (() => void)[] = [];
  private readonly info = this.gauge(
    'bellwether_rollout_info',
    'The newest rollout and its phase; always 1.',
    'rollout',
    'phase',
  );
  private readonly percent = this.gauge(
    'bellwether_rollout_percent',
    "The canary's share: set by the split, and actual among the turns of the last minutes.",
    'kind',
  );
  private readonly evidence = this.gauge(
    'bellwether_rollout_evidence',
    'Logarithmic evidence for what each measure looks for, of all users or of those of one language.',
    'measure',
    'language',
  );
  private readonly needed = this.gauge(
    'bellwether_rollout_evidence_needed',
    'The evidence at which a measure is reached.',
    'measure',
    'language',
  );
  private readonly dataAge = this.gauge(
    'bellwether_rollout_data_age_seconds',
    'Age of the newest canary request of this bake; without one, of the bake.',
  );
  private readonly held = this.gauge(
    'bellwether_rollout_held_seconds',
    'For how long the rollout has been held; 0 if it is not.',
  );
  private readonly workflowUp = this.gauge(
    'bellwether_rollout_workflow_up',
    'Whether a workflow runs the rollout; absent once it has ended, or while Temporal does not answer.',
  );
  private readonly overdue = this.gauge(
    'bellwether_rollout_overdue',
    'Whether an analysis has been due for longer than an interval.',
  );
  private readonly lastDecision = this.gauge(
    'bellwether_rollout_last_decision_timestamp_seconds',
    'When the newest row of the audit trail was decided, by its action.',
    'action',
  );
  private readonly auditVerified = this.gauge(
    'bellwether_audit_verified',
    'Whether the audit trail was intact when it was last verified; absent before the first time.',
  );
  private readonly auditVerifiedAge = this.gauge(
    'bellwether_audit_verified_age_seconds',
    'How long ago the audit trail was last verified.',
  );
  private readonly budgetUsed = this.gauge(
    'bellwether_budget_used_ratio',
    "The part of a budget that is spent, with calls of unknown outcome at their worst case; `day`: the UTC day's.",
    'scope',
  );
  private readAtMs = -Infinity;
  private reading: Promise<void> | null = null;

  constructor(
    private readonly read: () => Promise<ServiceSignals>,
    private readonly onError: (error: unknown) => void,
  ) {
    this.clear();
  }

  /** In Prometheus's text format. */
  async text(): Promise<string> {
    if (performance.now() - this.readAtMs >= keepReadingMs) {
      this.reading ??= this.refresh();
      const cancelTimeout = new AbortController();
      const tooLate = sleep(readTimeoutMs, 'too-late', { signal: cancelTimeout.signal, ref: false });
      // Old figures must not look like new ones.
      if ((await Promise.race([this.reading, tooLate.catch(() => undefined)])) === 'too-late') this.clear();
      cancelTimeout.abort();
    }
    return this.registry.metrics();
  }

  /** Never rejects. */
  private async refresh(): Promise<void> {
    try {
      const signals = await this.read();
      this.clear();
      this.show(signals);
      this.readAtMs = performance.now();
    } catch (error) {
      this.clear();
      this.onError(error);
    } finally {
      this.reading = null;
    }
  }

  private clear(): void {
    for (const clear of this.clearings) clear();
  }

  private show({ rollout, dayBudgetUsed, verified }: ServiceSignals): void {
    this.budgetUsed.set({ scope: 'day' }, dayBudgetUsed);
    if (rollout !== null) this.showRollout(rollout);
    if (verified === null) return;
    this.auditVerified.set(verified.isIntact ? 1 : 0);
    this.auditVerifiedAge.set(verified.ageMs / 1000);
  }

  private showRollout(rollout: RolloutSignals): void {
    this.info.set({ rollout: rollout.name, phase: rollout.phase }, 1);
    this.percent.set({ kind: 'set' }, rollout.setPercent);
    if (rollout.actualPercent !== null) this.percent.set({ kind: 'actual' }, rollout.actualPercent);
    for (const { id: measure, language, value, needed } of rollout.measures) {
      const labels = { measure, language: language === null ? allLanguages : languageLabel(language) };
      this.evidence.set(labels, value);
      this.needed.set(labels, needed);
    }
    if (rollout.dataAgeMs !== null) this.dataAge.set(rollout.dataAgeMs / 1000);
    this.held.set(rollout.heldMs / 1000);
    if (rollout.workflow !== null && rollout.workflow !== 'unreachable') {
      this.workflowUp.set(rollout.workflow === 'running' ? 1 : 0);
    }
    this.overdue.set(rollout.isOverdue ? 1 : 0);
    const { action, atMs } = rollout.lastDecision;
    this.lastDecision.set({ action }, atMs / 1000);
  }

  private gauge<Label extends string = never>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> {
    const gauge = new Gauge<Label>({ name, help, labelNames, registers: [this.registry] });
    // A gauge without labels would otherwise be 0.
    this.clearings.push(() => (labelNames.length === 0 ? gauge.remove() : gauge.reset()));
    return gauge;
  }
}
