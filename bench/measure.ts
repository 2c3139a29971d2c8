import type { Caller } from './caller';
import { cpuTimeMs } from './cpu-time';
import { ProviderLog } from './provider-log';
import { runCallers, type Limit } from './run-callers';
import type { Stage } from './stage';
import type { Way } from './ways/way';

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

export async function measure(stage: Stage, way: Way, callers: readonly Caller[], limit: Limit): Promise<Measurement> {
  await stage.simulator.clearCalls();
  const cpuBefore = readCpu(stage, way);
  const { turns, elapsedMs } = await runCallers(callers, limit, stage.providerLatencyMs);
  const cpuAfter = readCpu(stage, way);

  const log = new ProviderLog(await stage.simulator.calls());
  const { idleWorkers, ...cpu } = cpuAfter;
  return {
    turns: turns.length,
    elapsedMs,
    overheadsMs: turns.map(({ turnId, elapsedMs: waitedMs }) => waitedMs - log.timesOf(turnId).wholeMs),
    cpuMs: {
      worker: cpu.worker - cpuBefore.worker,
      server: cpu.server - cpuBefore.server,
      simulator: cpu.simulator - cpuBefore.simulator,
      caller: cpu.caller - cpuBefore.caller,
    },
    idleWorkersCpuMs: idleWorkers - cpuBefore.idleWorkers,
    extraCalls: log.extraCalls,
  };
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
