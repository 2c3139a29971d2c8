import { Agent } from 'undici';
import type { ReportedTask } from '../../src/terminal/reporter';
import { callersLabel, runRounds, type Entry, type RoundsPlan } from '../run-rounds';
import { HttpCaller } from './http-caller';
import { measureGateway, type GatewayMeasurement } from './measure';
import { measureOpenStreams, type MemoryRow } from './open-streams';
import { answerMs, questionFor, type ProviderTiming } from './provider';
import type { GatewayStage } from './stage';
import { summarizeGateway, type GatewayRow } from './summary';
import { deliveries } from './way';

export interface GatewayBenchmark extends RoundsPlan {
  readonly callerCounts: readonly number[];
  readonly timing: ProviderTiming;
}

/** All ways, streamed and plain, at all numbers of callers. */
export async function runGatewayBenchmark(
  stage: GatewayStage,
  benchmark: GatewayBenchmark,
  task: ReportedTask,
): Promise<GatewayRow[]> {
  const { callerCounts, timing } = benchmark;
  const question = questionFor(timing.pieces);
  const dispatcher = new Agent();
  try {
    const entries = callerCounts.flatMap((count) =>
      deliveries.flatMap((delivery) =>
        stage.ways.map((way) => {
          const caller = new HttpCaller({ dispatcher, way, delivery, question });
          const callers = Array.from({ length: count }, () => caller);
          const entry: Entry<GatewayMeasurement> = {
            label: `${way.title}, ${delivery}, ${callersLabel(count)}`,
            measure: (limit) => measureGateway(stage, way, callers, limit, answerMs(timing)),
            rounds: [],
          };
          return { ...entry, way, delivery, count };
        }),
      ),
    );
    await runRounds(entries, benchmark, task);
    return entries.map(({ way, delivery, count, rounds }) => summarizeGateway(way, delivery, count, rounds));
  } finally {
    await dispatcher.destroy();
  }
}

/** One way after the other. Its programs are ended then: they would go on with the streams that nobody reads. */
export async function runMemoryBenchmark(
  { ways }: GatewayStage,
  { timing }: GatewayBenchmark,
  streams: number,
  task: ReportedTask,
): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = [];
  for (const way of ways) {
    if (Object.keys(way.programs).length === 0) continue;
    task.progress(`memory, ${way.title}, ${streams} open streams`);
    rows.push(...(await measureOpenStreams(way, questionFor(timing.pieces), streams)));
    for (const program of Object.values(way.programs)) await program.kill();
  }
  return rows;
}
