import type { Ledger } from '../contract/ledger';
import type { PageReads } from '../contract/page-ledger';
import type { RolloutAction } from '../contract/rollout';
import { type Measured, measuresOf } from './measures';
import type { RolloutOperator } from './rollout-operator';
import { findRollout } from './trail';
import { phaseShown, type Liveness, readView, type RolloutView, actualShare } from './view';
import { isOverdue } from './warnings';

/** What machines are told of the newest rollout and of the day's budget. */
export interface ServiceSignals {
  /** Null before the first rollout. */
  readonly rollout: RolloutSignals | null;
  /** Spent today, including calls of unknown outcome; of the day's cap. */
  readonly dayBudgetUsed: number;
  /** Null: the audit trail was never verified. */
  readonly verified: { readonly isIntact: boolean; readonly ageMs: number } | null;
}

export interface RolloutSignals {
  readonly name: string;
  readonly phase: ReturnType<typeof phaseShown>;
  /** The canary's share by the split, 0 to 100. */
  readonly setPercent: number;
  /** Its share of the recent turns, 0 to 100; null without turns. */
  readonly actualPercent: number | null;
  /** Those with a value, in units of evidence; empty once the rollout has ended. */
  readonly measures: readonly (Measured & { readonly value: number; readonly needed: number })[];
  /** Age of the newest canary request of this bake; without one, of the bake. Null once the rollout has ended. */
  readonly dataAgeMs: number | null;
  /** For how long it has been held; 0 if it is not. */
  readonly heldMs: number;
  /** Null once nothing is left to do for a workflow. */
  readonly workflow: Liveness | null;
  readonly isOverdue: boolean;
  readonly lastDecision: { readonly action: RolloutAction; readonly atMs: number };
}

export interface SignalSources {
  readonly ledger: Pick<Ledger, 'rollouts' | 'page'>;
  readonly operator: Pick<RolloutOperator, 'workflowNow'>;
  readonly dayCapNanoUsd: number;
}

export async function readSignals(sources: SignalSources): Promise<ServiceSignals> {
  const { ledger, dayCapNanoUsd } = sources;
  const [rollout, { spentNanoUsd }, verification, nowMs] = await Promise.all([
    readRollout(sources),
    ledger.page.spendingOfToday(),
    ledger.page.verification(),
    ledger.rollouts.nowMs(),
  ]);
  return {
    rollout,
    // Without a budget nothing may be spent, and all of it is used.
    dayBudgetUsed: dayCapNanoUsd === 0 ? 1 : spentNanoUsd / dayCapNanoUsd,
    verified: verification && { isIntact: verification.isIntact, ageMs: Math.max(0, nowMs - verification.atMs) },
  };
}

async function readRollout({ ledger, operator }: SignalSources): Promise<RolloutSignals | null> {
  const { rollouts } = ledger;
  if ((await rollouts.auditHead()) === null) return null;
  const known = await findRollout(rollouts, undefined);
  const { spec, state, last } = known;
  const view = await readView(rollouts, known, await operator.workflowNow(spec.name));
  const phase = phaseShown(view);
  const isUnderWay = view.analysisDueAtMs !== null;
  const share = actualShare(view);
  return {
    name: spec.name,
    phase,
    setPercent: view.split?.rollout === spec.name ? view.split.percent : state.percent,
    actualPercent: share === null ? null : share * 100,
    measures: measuresIn(view),
    dataAgeMs: isUnderWay ? dataAgeMs(view) : null,
    heldMs: phase === 'Held' ? view.atMs - (await heldSinceMs(ledger.page, spec.name, last.atMs)) : 0,
    workflow: isUnderWay ? view.workflow : null,
    isOverdue: isOverdue(view),
    lastDecision: { action: last.decision.action, atMs: last.atMs },
  };
}

function measuresIn({ spec, state, evidence }: RolloutView): RolloutSignals['measures'] {
  if (evidence === null) return [];
  return measuresOf(spec, state.percent, evidence).flatMap((measured) => {
    const { unit, value, needed } = measured;
    return unit === 'evidence' && value !== null && needed !== null ? [{ ...measured, value, needed }] : [];
  });
}

function dataAgeMs({ evidence, state, atMs }: RolloutView): number {
  return Math.max(0, atMs - (evidence?.newestCanaryAtMs ?? state.bakeStartedAtMs));
}

/** While it is held, a rollout records little else: refused commands, and times that operators exclude. */
const decisionsRead = 50;

/** Decisions that leave a held rollout held. */
const holding: ReadonlySet<string> = new Set<RolloutAction>(['hold', 'refuse', 'exclude']);

/** `lastMs`: of its newest decision, if none of them holds it. */
export async function heldSinceMs(
  page: Pick<PageReads, 'newestDecisions'>,
  rollout: string,
  lastMs: number,
): Promise<number> {
  let sinceMs = lastMs;
  for (const { action, atMs } of await page.newestDecisions(rollout, 'changes', decisionsRead)) {
    if (!holding.has(action)) break;
    if (action === 'hold') sinceMs = atMs;
  }
  return sinceMs;
}
