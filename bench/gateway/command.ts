import { Command, InvalidArgumentError } from 'commander';
import { Agent } from 'undici';
import { writeJson, writeLines } from '../../src/terminal/output';
import { createReporter, type ReportedTask } from '../../src/terminal/reporter';
import { addMeasureFlags, chosenWays, type MeasureFlags, positive } from '../flags';
import { describeMachine, findProblems, tellProblems } from '../report';
import { callersLabel, type Entry, type RoundsPlan, runRounds } from '../run-rounds';
import { type GatewayRow, renderGatewayRows, renderMemoryRows, summarizeGateway } from './report';
import { buildGatewayStage, type GatewayStage, reasonMissing } from './stage';
import { deliveries, wayNames } from './way';
import { type GatewayMeasurement, HttpCaller, measureGateway, measureOpenStreams, type MemoryRow } from './measure';
import { answerMs, type ProviderTiming, questionFor } from './provider';

interface GatewayFlags extends MeasureFlags {
  readonly firstToken: number;
  readonly gap: number;
  readonly pieces: number;
  readonly streams: number;
}

/** `npm run bench -- gateway`: what the gateway adds to a provider call, compared with a proxy that does nothing. */
export function gatewayCommand(): Command {
  const command = new Command('gateway')
    .description('what the gateway adds to a call, compared with a direct call and a pass-through proxy')
    .option('--first-token <milliseconds>', "the simulated provider's time to its first token", positive, 50)
    .option('--gap <milliseconds>', 'its time between two pieces of a stream', positive, 3)
    .option('--pieces <number>', 'approximate number of pieces per answer', positive, 40)
    .option(
      '--streams <number>',
      'open streams while memory is measured; with 0 or --profile, it is not measured',
      wholeNumber,
      1_000,
    );
  return addMeasureFlags(command, { seconds: 2.5, rounds: 3, ways: wayNames }).action(run);
}

async function run(flags: GatewayFlags): Promise<void> {
  const { seconds, turns, rounds, callers, firstToken, gap, pieces, streams, only, profile, json } = flags;
  const report = createReporter(process.stderr);
  const chosen = chosenWays(
    wayNames.map((name) => ({ name })),
    only,
  ).map(({ name }) => name);
  const missing = chosen.flatMap((name) => reasonMissing(name) ?? []);
  const task = report.begin('Benchmark of the gateway');
  task.progress('starting server, provider, proxy, gateways and worker');
  const machine = describeMachine();
  const timing = { firstTokenMs: firstToken, pieceGapMs: gap, pieces };
  const ways = chosen.filter((name) => reasonMissing(name) === null);
  const stage = await buildGatewayStage({ ways, timing, profileDirectory: profile, report });
  try {
    const benchmark = { limit: { seconds, turns }, rounds, callerCounts: callers, timing };
    const rows = await runGatewayBenchmark(stage, benchmark, task);
    // The profiler writes its file on a clean exit, and its memory would be measured, too.
    const measuresMemory = streams > 0 && profile === undefined;
    const memory = measuresMemory ? await runMemoryBenchmark(stage, benchmark, streams, task) : [];
    task.succeed(`Measured on ${machine}`);

    const problems = findProblems(rows, new Set(wayNames));
    if (json) {
      writeJson({ measuredAt: new Date().toISOString(), machine, seconds, rounds, timing, rows, memory, missing });
    } else {
      writeLines([renderGatewayRows(rows), ...(memory.length > 0 ? ['', renderMemoryRows(memory)] : []), ...missing]);
    }
    tellProblems(problems, report);
  } catch (error) {
    task.fail('The benchmark failed');
    throw error;
  } finally {
    await stage.stop();
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('Give a whole number, 0 or above.');
  return value;
}

interface GatewayBenchmark extends RoundsPlan {
  readonly callerCounts: readonly number[];
  readonly timing: ProviderTiming;
}

/** All ways, streamed and plain, at all numbers of callers. */
async function runGatewayBenchmark(
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

/** Measures one way at a time, then kills its programs: they would continue with streams that are no longer read. */
async function runMemoryBenchmark(
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
