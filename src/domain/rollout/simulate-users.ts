import type { RolloutSpec } from '../../contract/rollout';
import { advanceRollout } from './advance-rollout';
import { nextAnalysisAtMs, plannedEndAtMs } from './clock';
import { isReached, type TestValue } from './evidence';
import { randomOfRun } from './simulate-draws';
import { SimulatedEvidence } from './simulate-evidence';
import type { SimulatedTraffic } from './simulate-traffic';
import { betterThanMinimum, measureUsers, type UserMeasures } from './user-measures';

/** One run up to the end of the plan, if no operator intervenes. */
export interface SimulatedRun {
  /** `late`: still progressing, because its bakes took longer than planned. */
  readonly end: 'promoted' | 'rolled-back' | 'held' | 'late';
  /** Milliseconds from the start until the canary had all or no traffic, or the rollout was held; null when late. */
  readonly decidedAfterMs: number | null;
  /** The largest share of users that the canary had, in percent. */
  readonly percent: number;
  /** When E was reached; null if it never was. Milliseconds from the start. */
  readonly evidenceAfterMs: number | null;
  /** The measures that were ever reached, each when it was first. */
  readonly alarms: readonly SimulatedAlarm[];
}

export interface SimulatedAlarm {
  /** `worse`, `slower`, `wrong-language`, `worse in zh`. */
  readonly measure: string;
  readonly afterMs: number;
  /** Canary users of the bake by then. */
  readonly canaryUsers: number;
}

/**
 * Runs a rollout against simulated users, with the same rule that decides real ones. The run ends when the canary has all
 * or no traffic, or when the plan is over. The same seed and number give the same run.
 */
export function simulateRun(spec: RolloutSpec, traffic: SimulatedTraffic, seed: string, run: number): SimulatedRun {
  return followRollout(spec, new SimulatedEvidence(traffic, spec.gates, randomOfRun(seed, run)));
}

/** Follows a rollout through evidence that is read with ascending times. */
export function followRollout(spec: RolloutSpec, evidence: Pick<SimulatedEvidence, 'at'>): SimulatedRun {
  const { alpha, minimumSuccessRate } = spec.gates;
  const seen = new ReachedMeasures();
  let state = advanceRollout(spec, null, { atMs: 0, evidence: null, command: null }).next;
  let heldAtMs: number | null = null;
  const planEndsAtMs = plannedEndAtMs(spec, state);
  const ended = (end: SimulatedRun['end'], decidedAfterMs: number | null): SimulatedRun => ({
    end,
    decidedAfterMs,
    percent: Math.max(...state.reached.map(({ percent }) => percent)),
    evidenceAfterMs: seen.evidenceAfterMs,
    alarms: seen.alarms,
  });

  let atMs = nextAnalysisAtMs(spec, state, 0);
  while (atMs <= planEndsAtMs) {
    const now = evidence.at(atMs, state);
    const { percent } = state;
    state = advanceRollout(spec, state, { atMs, evidence: now, command: null }).next;
    if (betterThanMinimum(now.closed, minimumSuccessRate) >= Math.log(1 / alpha)) seen.evidenceAfterMs ??= atMs;
    // Whatever is reached besides E stops a rollout that progresses.
    if (state.phase !== 'Progressing') seen.look(measureUsers(now, spec, percent), atMs, now.canary.users);
    if (state.phase === 'Promoting') return ended('promoted', atMs);
    if (state.phase === 'RolledBack') return ended('rolled-back', atMs);
    if (state.phase === 'Held') heldAtMs ??= atMs;
    atMs = nextAnalysisAtMs(spec, state, atMs);
  }
  return ended(heldAtMs === null ? 'late' : 'held', heldAtMs);
}

/** Remembers when each measure was first reached, whatever the rollout made of it. */
class ReachedMeasures {
  evidenceAfterMs: number | null = null;
  readonly alarms: SimulatedAlarm[] = [];
  private readonly names = new Set<string>();

  look({ languages, ...measures }: UserMeasures, atMs: number, canaryUsers: number): void {
    this.lookAt(measures, '', atMs, canaryUsers);
    for (const { language, ...ofLanguage } of languages) this.lookAt(ofLanguage, ` in ${language}`, atMs, canaryUsers);
  }

  private lookAt(measures: object, where: string, afterMs: number, canaryUsers: number): void {
    for (const name in measures) {
      const value = (measures as Readonly<Record<string, TestValue | Readonly<Record<string, TestValue>> | null>>)[
        name
      ];
      // E speaks for the canary.
      if (name === 'advance' || value === null || value === undefined) continue;
      if (!isTest(value)) this.lookAt(value, where, afterMs, canaryUsers);
      else if (isReached(value)) this.add(`${name}${where}`, afterMs, canaryUsers);
    }
  }

  private add(measure: string, afterMs: number, canaryUsers: number): void {
    if (this.names.has(measure)) return;
    this.names.add(measure);
    this.alarms.push({ measure, afterMs, canaryUsers });
  }
}

function isTest(value: TestValue | Record<string, TestValue>): value is TestValue {
  return typeof value['needed'] === 'number';
}
