import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedCall } from '../simulator/call-log';
import type { AnsweredTurn, Caller } from './caller';
import { cpuTimeMs } from './cpu-time';
import type { Stage } from './stage';
import type { Way } from './ways/way';

/** How long one measurement goes on: no turn is begun after whichever comes first. */
export interface Limit {
  readonly seconds: number;
  readonly turns: number;
}

/** One way at one number of callers in one round. */
export interface Measurement {
  readonly turns: number;
  /** From the first turn's start to the last one's end. */
  readonly elapsedMs: number;
  /** Of each turn: the caller's waiting time without the provider's own time for it. */
  readonly overheadsMs: readonly number[];
  /** By process, for all turns together. */
  readonly cpuMs: Readonly<Record<MeasuredProcess, number>>;
  /** CPU time of the workers that had nothing to do. */
  readonly idleWorkersCpuMs: number;
  /** Calls in the provider's log beyond one per turn. */
  readonly extraCalls: number;
}

export const measuredProcesses = ['worker', 'server', 'simulator', 'caller'] as const;
export type MeasuredProcess = (typeof measuredProcesses)[number];

/** Every caller sends its turns one after the other until the limit; all turns that were begun are waited for. */
export async function measure(stage: Stage, way: Way, callers: readonly Caller[], limit: Limit): Promise<Measurement> {
  await stage.simulator.clearCalls();
  const cpuBefore = readCpu(stage, way);
  const startedAtMs = performance.now();
  const turns = await runCallers(callers, limit, stage.providerLatencyMs);
  const elapsedMs = performance.now() - startedAtMs;
  const cpuAfter = readCpu(stage, way);

  const calls = callsByTurn(await stage.simulator.calls());
  const { idleWorkers, ...cpu } = cpuAfter;
  return {
    turns: turns.length,
    elapsedMs,
    overheadsMs: turns.map(
      ({ turnId, elapsedMs: waitedMs }) => waitedMs - durationMs(calls.get(turnId)?.at(-1), turnId),
    ),
    cpuMs: {
      worker: cpu.worker - cpuBefore.worker,
      server: cpu.server - cpuBefore.server,
      simulator: cpu.simulator - cpuBefore.simulator,
      caller: cpu.caller - cpuBefore.caller,
    },
    idleWorkersCpuMs: idleWorkers - cpuBefore.idleWorkers,
    extraCalls: [...calls.values()].reduce((extra, ofTurn) => extra + ofTurn.length - 1, 0),
  };
}

async function runCallers(callers: readonly Caller[], limit: Limit, spreadMs: number): Promise<AnsweredTurn[]> {
  const deadlineMs = performance.now() + limit.seconds * 1000;
  const turns: AnsweredTurn[] = [];
  let begun = 0;
  const run = async (caller: Caller, index: number): Promise<void> => {
    // Callers do not come in step: the first turns are spread over one answer of the provider.
    await delay((index / callers.length) * spreadMs);
    while (begun < limit.turns && performance.now() < deadlineMs) {
      begun += 1;
      turns.push(await caller.turn());
    }
  };
  await Promise.all(callers.map(run));
  return turns;
}

function readCpu({ workers, serverPid, simulatorPid }: Stage, way: Way) {
  const others = [...workers].filter(([kind]) => kind !== way.worker);
  return {
    worker: way.worker === null ? 0 : cpuTimeMs(workers.get(way.worker)?.pid ?? 0),
    server: cpuTimeMs(serverPid),
    simulator: cpuTimeMs(simulatorPid),
    caller: cpuTimeMs(process.pid),
    idleWorkers: others.reduce((sum, [, { pid }]) => sum + cpuTimeMs(pid), 0),
  };
}

/** The log's request ids are `{turnId}.{attempt}`. */
function callsByTurn(calls: readonly SimulatedCall[]): Map<string, SimulatedCall[]> {
  const byTurn = new Map<string, SimulatedCall[]>();
  for (const call of calls) {
    const turnId = call.requestId?.split('.')[0] ?? '';
    byTurn.set(turnId, [...(byTurn.get(turnId) ?? []), call]);
  }
  return byTurn;
}

function durationMs(call: SimulatedCall | undefined, turnId: string): number {
  if (call === undefined || call.endedAtMs === null) {
    throw new Error(`The provider's log has no finished call of turn ${turnId}, though the turn was answered.`);
  }
  return call.endedAtMs - call.startedAtMs;
}
