import type { RolloutSpec, RolloutState } from '../../contract/rollout';
import { advanceRollout } from './advance-rollout';
import { nextAnalysisAtMs, plannedEndAtMs } from './clock';
import { SimulatedTraffic, type TrafficOptions } from './simulated-traffic';

export interface SimulationOptions extends TrafficOptions {
  readonly spec: RolloutSpec;
}

/** How one run stood when the time of the plan was over, with nobody to decide anything. */
export interface SimulatedRollout {
  /** `late`: under way, catching up with its bakes. */
  readonly end: 'promoted' | 'rolled-back' | 'held' | 'late';
  /** From the start until the canary had all traffic or none, or the rollout was held; null when late. Milliseconds. */
  readonly decidedAfterMs: number | null;
  /** The canary had more than the first step's share at some time. */
  readonly advanced: boolean;
}

/**
 * One run of a rollout against simulated traffic, decided by the very rule that decides a real one. `random` gives numbers
 * from 0 to 1, 1 excluded. The run ends when the canary has all traffic or none, or when the plan is over.
 */
export function simulateRollout({ spec, ...options }: SimulationOptions, random: () => number): SimulatedRollout {
  const traffic = new SimulatedTraffic(options, random);
  let state: RolloutState = advanceRollout(spec, null, { atMs: 0, evidence: null, command: null }).next;
  let heldAtMs: number | null = null;
  const planEndsAtMs = plannedEndAtMs(spec, state);
  const ended = (end: SimulatedRollout['end'], decidedAfterMs: number | null): SimulatedRollout => ({
    end,
    decidedAfterMs,
    advanced: state.step > 0,
  });

  let atMs = nextAnalysisAtMs(spec, state, 0);
  while (atMs <= planEndsAtMs) {
    const evidence = traffic.evidenceAt(atMs, state);
    state = advanceRollout(spec, state, { atMs, evidence, command: null }).next;
    if (state.phase === 'Promoting') return ended('promoted', atMs);
    if (state.phase === 'RolledBack') return ended('rolled-back', atMs);
    if (state.phase === 'Held') heldAtMs ??= atMs;
    atMs = nextAnalysisAtMs(spec, state, atMs);
  }
  return ended(heldAtMs === null ? 'late' : 'held', heldAtMs);
}
