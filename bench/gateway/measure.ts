import { cpuTimeMs } from '../cpu-time';
import { ProviderLog } from '../provider-log';
import { runCallers, type Limit } from '../run-callers';
import type { HttpCaller } from './http-caller';
import type { GatewayStage } from './stage';
import { measuredProcesses, type GatewayWay, type MeasuredProcess } from './way';

/** One way at one number of callers in one round. */
export interface GatewayMeasurement {
  readonly turns: number;
  readonly elapsedMs: number;
  /** Of each stream: waiting time to its first text without the provider's own; none for plain answers. */
  readonly firstTokenOverheadsMs: readonly number[];
  /** Of each turn: waiting time to its whole answer without the provider's own. */
  readonly wholeOverheadsMs: readonly number[];
  /** By process, for all turns together; 0 where a way has no such process. */
  readonly cpuMs: Readonly<Record<MeasuredProcess, number>>;
  /** Of what works for other ways only. */
  readonly idleCpuMs: number;
  /** Calls in the provider's log beyond one per turn. */
  readonly extraCalls: number;
}

export async function measureGateway(
  { simulator, pids }: GatewayStage,
  way: GatewayWay,
  callers: readonly HttpCaller[],
  limit: Limit,
  spreadMs: number,
): Promise<GatewayMeasurement> {
  await simulator.clearCalls();
  const cpuBefore = readCpu(pids, way);
  const { turns, elapsedMs } = await runCallers(callers, limit, spreadMs);
  const cpuAfter = readCpu(pids, way);

  const log = new ProviderLog(await simulator.calls());
  const cpuMs = Object.fromEntries(
    measuredProcesses.map((name) => [name, cpuAfter.of[name] - cpuBefore.of[name]]),
  ) as Record<MeasuredProcess, number>;
  return {
    turns: turns.length,
    elapsedMs,
    firstTokenOverheadsMs: turns.flatMap(({ turnId, firstTokenMs }) => {
      const providersMs = log.timesOf(turnId).firstTokenMs;
      return firstTokenMs === null || providersMs === null ? [] : [firstTokenMs - providersMs];
    }),
    wholeOverheadsMs: turns.map(({ turnId, wholeMs }) => wholeMs - log.timesOf(turnId).wholeMs),
    cpuMs,
    idleCpuMs: cpuAfter.idle - cpuBefore.idle,
    extraCalls: log.extraCalls,
  };
}

function readCpu(pids: readonly number[], way: GatewayWay) {
  const of = Object.fromEntries(
    measuredProcesses.map((name) => [name, way.pids[name] === undefined ? 0 : cpuTimeMs(way.pids[name])]),
  ) as Record<MeasuredProcess, number>;
  const own = new Set(Object.values(way.pids));
  const idle = pids.filter((pid) => !own.has(pid)).reduce((sum, pid) => sum + cpuTimeMs(pid), 0);
  return { of, idle };
}
