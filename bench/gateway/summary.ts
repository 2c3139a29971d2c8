import { median, quantile, sum } from '../summary';
import type { GatewayMeasurement } from './measure';
import { measuredProcesses, type AnswerDelivery, type GatewayWay, type MeasuredProcess } from './way';

interface Overhead {
  /** Median of the rounds' medians. */
  readonly p50Ms: number;
  /** Of the turns of all rounds together: one round has too few of them. */
  readonly p99Ms: number;
}

/** One line of the result: a way with one kind of answer at a number of callers, over all rounds. */
export interface GatewayRow {
  readonly way: string;
  readonly title: string;
  readonly delivery: AnswerDelivery;
  readonly callers: number;
  /** Measured turns in all rounds; warm-up is not among them. */
  readonly turns: number;
  /** Null for plain answers. */
  readonly firstToken: Overhead | null;
  readonly whole: Overhead;
  /** Median of the rounds. Of streamed answers: streams a second. */
  readonly turnsPerSecond: number;
  /** Null where the way has no such process. */
  readonly cpuMsPerTurn: Readonly<Record<MeasuredProcess, number | null>>;
  readonly extraCalls: number;
  /** Share of one core that the processes of the other ways used meanwhile, in percent. */
  readonly idlePercent: number;
}

export function summarizeGateway(
  way: GatewayWay,
  delivery: AnswerDelivery,
  callers: number,
  rounds: readonly GatewayMeasurement[],
): GatewayRow {
  const cpuMsPerTurn = Object.fromEntries(
    measuredProcesses.map((name) => [
      name,
      way.pids[name] === undefined ? null : median(rounds.map(({ cpuMs, turns }) => cpuMs[name] / turns)),
    ]),
  ) as Record<MeasuredProcess, number | null>;
  return {
    way: way.name,
    title: way.title,
    delivery,
    callers,
    turns: sum(rounds.map(({ turns }) => turns)),
    firstToken: delivery === 'plain' ? null : overheadOf(rounds.map((round) => round.firstTokenOverheadsMs)),
    whole: overheadOf(rounds.map((round) => round.wholeOverheadsMs)),
    turnsPerSecond: median(rounds.map(({ turns, elapsedMs }) => (turns * 1000) / elapsedMs)),
    cpuMsPerTurn,
    extraCalls: sum(rounds.map(({ extraCalls }) => extraCalls)),
    idlePercent: median(rounds.map(({ idleCpuMs, elapsedMs }) => (idleCpuMs * 100) / elapsedMs)),
  };
}

function overheadOf(rounds: readonly (readonly number[])[]): Overhead {
  return { p50Ms: median(rounds.map(median)), p99Ms: quantile(rounds.flat(), 0.99) };
}
