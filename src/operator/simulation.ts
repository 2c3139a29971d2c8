import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { RolloutSpec } from '../contract/rollout';
import { quantile } from '../domain/quantile';
import { defaultRolloutGates, type RolloutPlanName, rolloutPlans } from '../domain/rollout/plans';
import { type SimulatedAlarm, type SimulatedRun, simulateRun } from '../domain/rollout/simulate-users';
import type { SimulatedTraffic } from '../domain/rollout/simulate-traffic';
import { latestAdvanceMs } from './forecast';

/** A plan with the default gates. */
export function simulatedSpec(plan: RolloutPlanName, intervalMs: number): RolloutSpec {
  const { steps, warmMs } = rolloutPlans[plan];
  return {
    rule: 2,
    name: 'simulation',
    baselineArm: 'legacy',
    canaryArm: 'canary',
    steps,
    intervalMs,
    warmMs,
    gates: { ...defaultRolloutGates, freshnessMs: Math.max(defaultRolloutGates.freshnessMs, 3 * intervalMs) },
    freezeWindows: [],
    takeOver: false,
    actor: 'simulation',
  };
}

/** What is to be simulated. It crosses to other threads. */
export interface Simulation {
  readonly spec: RolloutSpec;
  readonly traffic: SimulatedTraffic;
  /** The same seed gives the same runs, on however many threads. */
  readonly seed: string;
  readonly runs: number;
}

/** Every so many runs, from one of them on. */
export interface SimulationShare extends Simulation {
  readonly first: number;
  readonly every: number;
}

/** A thread's message: runs that it has finished since the one before. */
export type FinishedRuns = readonly SimulatedRun[];

/** Runs a simulation. `onProgress` receives the share of finished runs. With one thread it stays in this one. */
export async function simulateRuns(
  simulation: Simulation,
  threads: number,
  onProgress: (share: number) => void,
): Promise<SimulationSummary> {
  const runs: SimulatedRun[] = [];
  const add = (finished: FinishedRuns): void => {
    runs.push(...finished);
    onProgress(runs.length / simulation.runs);
  };
  const shares = Array.from({ length: threads }, (_, first) => ({ ...simulation, first, every: threads }));
  await Promise.all(shares.map((share) => (threads === 1 ? runShare(share, add) : runInThread(share, add))));
  return summariseRuns(simulation.spec, runs);
}

function runInThread(share: SimulationShare, onFinished: (runs: FinishedRuns) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(require.resolve('./simulation-thread'), { workerData: share });
    worker.on('message', onFinished);
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`A thread of the simulation ended with code ${code}.`));
    });
  });
}

/** How long runs may block the event loop, so that the progress bar moves and Ctrl-C works. */
const stretchMs = 50;

/** Simulates a share of the runs in this thread. */
export async function runShare(
  { spec, traffic, seed, runs, first, every }: SimulationShare,
  onFinished: (runs: FinishedRuns) => void,
): Promise<void> {
  let finished: SimulatedRun[] = [];
  let pauseAtMs = performance.now() + stretchMs;
  for (let run = first; run < runs; run += every) {
    finished.push(simulateRun(spec, traffic, seed, run));
    if (performance.now() < pauseAtMs && run + every < runs) continue;
    onFinished(finished);
    finished = [];
    await setImmediate();
    pauseAtMs = performance.now() + stretchMs;
  }
}

/** The results of many runs under the same conditions. Shares are of all runs, 0 to 1. */
export interface SimulationSummary {
  readonly runs: number;
  readonly promoted: number;
  readonly rolledBack: number;
  readonly held: number;
  readonly late: number;
  /** Advanced past the first step, whatever happened later. */
  readonly everAdvanced: number;
  /** E was reached; and early enough for every later step to have its minimum bake within the plan. */
  readonly evidence: number;
  readonly evidenceInTime: number;
  /** Of the runs that were promoted: milliseconds from the start to all traffic; null when none was. */
  readonly promotedAfterMedianMs: number | null;
  readonly promotedAfterP95Ms: number | null;
  /** Measures against the canary that were reached in any run, most often first. */
  readonly alarms: readonly AlarmSummary[];
}

interface AlarmSummary {
  /** `worse`, `empty`, `wrong-language in zh`. */
  readonly measure: string;
  /** Of all runs. */
  readonly share: number;
  /** Of the runs in which it was reached: canary users of the bake by then, and milliseconds from the start. */
  readonly canaryUsersMedian: number;
  readonly afterMedianMs: number;
}

function summariseRuns(spec: RolloutSpec, runs: readonly SimulatedRun[]): SimulationSummary {
  const shareOf = (of: (run: SimulatedRun) => boolean): number => runs.filter(of).length / runs.length;
  const timesMs = runs.flatMap(({ end, decidedAfterMs }) =>
    end === 'promoted' && decidedAfterMs !== null ? [decidedAfterMs] : [],
  );
  const inTimeMs = latestAdvanceMs(spec);
  return {
    runs: runs.length,
    promoted: shareOf(({ end }) => end === 'promoted'),
    rolledBack: shareOf(({ end }) => end === 'rolled-back'),
    held: shareOf(({ end }) => end === 'held'),
    late: shareOf(({ end }) => end === 'late'),
    everAdvanced: shareOf(({ percent }) => percent > (spec.steps[0]?.percent ?? 0)),
    evidence: shareOf(({ evidenceAfterMs }) => evidenceAfterMs !== null),
    evidenceInTime: shareOf(({ evidenceAfterMs }) => evidenceAfterMs !== null && evidenceAfterMs <= inTimeMs),
    promotedAfterMedianMs: quantile(timesMs, 50) ?? null,
    promotedAfterP95Ms: quantile(timesMs, 95) ?? null,
    alarms: summariseAlarms(runs),
  };
}

function summariseAlarms(runs: readonly SimulatedRun[]): readonly AlarmSummary[] {
  const byMeasure = new Map<string, SimulatedAlarm[]>();
  for (const alarm of runs.flatMap(({ alarms }) => alarms)) {
    const alarms = byMeasure.get(alarm.measure);
    if (alarms) alarms.push(alarm);
    else byMeasure.set(alarm.measure, [alarm]);
  }
  return [...byMeasure]
    .map(([measure, alarms]) => ({
      measure,
      share: alarms.length / runs.length,
      canaryUsersMedian:
        quantile(
          alarms.map(({ canaryUsers }) => canaryUsers),
          50,
        ) ?? 0,
      afterMedianMs:
        quantile(
          alarms.map(({ afterMs }) => afterMs),
          50,
        ) ?? 0,
    }))
    .toSorted((one, other) => other.share - one.share);
}
