import { randomUUID } from 'node:crypto';
import { cpuTimeMs } from './processes';
import { ProviderLog } from './provider-log';
import { type Limit, runCallers } from './run-rounds';
import type { Stage } from './stage';
import type { BenchConversation, Way } from './ways';

/** One way with one number of callers in one round. */
export interface Measurement {
  readonly turns: number;
  /** From the first turn's start to the last one's end. */
  readonly elapsedMs: number;
  /** For each turn: the caller's waiting time minus the provider's own time. */
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

/** A conversation's length: its context window is full for the second half of it. */
const turnsPerConversation = 20;

const questions = [
  'Hello, I ordered a pair of shoes last week. How do I track my order #ORD-789456?',
  'They arrived today, thank you, but one size too small. Can I exchange them or get a refund?',
  'How long does the delivery of the new pair take, and do I pay for shipping again?',
  '请问这双鞋可以用支付宝付款吗?多久能送到?',
] as const;

export interface AnsweredTurn {
  readonly turnId: string;
  readonly elapsedMs: number;
}

export interface FinishedConversation {
  readonly turns: number;
  readonly workflowIds: readonly string[];
}

/** Simulates one user after another: sends a message, waits for the answer, sends the next. */
export class Caller {
  readonly conversations: FinishedConversation[] = [];
  private current: BenchConversation;
  private turns = 0;

  constructor(private readonly way: Way) {
    this.current = way.open(randomUUID());
  }

  async turn(): Promise<AnsweredTurn> {
    if (this.turns === turnsPerConversation) this.endConversation();
    const turnId = randomUUID();
    const question = questions[this.turns % questions.length] ?? '';
    const startedAtMs = performance.now();
    await this.current.send(turnId, question);
    const elapsedMs = performance.now() - startedAtMs;
    this.turns += 1;
    return { turnId, elapsedMs };
  }

  endConversation(): void {
    this.conversations.push({ turns: this.turns, workflowIds: this.current.workflowIds() });
    this.current = this.way.open(randomUUID());
    this.turns = 0;
  }
}
