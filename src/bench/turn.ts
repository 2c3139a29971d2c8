import { Command, InvalidArgumentError } from 'commander';
import { writeJson, writeLines } from '../cli/output';
import { createReporter } from '../temporal-server/reporter';
import { compare, describeMachine, findProblems, renderComparisons, renderRows } from './report';
import { runTurnBenchmark } from './run-turn-benchmark';
import { buildStage } from './stage';

interface TurnFlags {
  readonly seconds: number;
  readonly turns: number;
  readonly rounds: number;
  readonly callers: readonly number[];
  readonly latency: number;
  readonly only?: readonly string[];
  readonly profile?: string;
  readonly json?: boolean;
}

export function turnCommand(): Command {
  return new Command('turn')
    .description('what a durable turn costs, beside a direct call and two other ways to make it durable')
    .option('--seconds <seconds>', 'time for each way at each number of callers in each round', positive, 5)
    .option('--turns <turns>', 'turns at most, instead of the time', positive, Infinity)
    .option('--rounds <rounds>', 'rounds; every way is measured in each', positive, 5)
    .option('--callers <counts>', 'numbers of callers at a time', positiveList, [1, 64])
    .option('--latency <milliseconds>', "the simulated provider's time for an answer", positive, 50)
    .option('--only <names>', 'ways: send, complete, direct, textbook, plain', (names: string) => names.split(','))
    .option('--profile <directory>', "write the workers' CPU profiles there; the profiler slows them down")
    .option('--json', 'the result as JSON')
    .action(run);
}

async function run({ seconds, turns, rounds, callers, latency, only, profile, json }: TurnFlags): Promise<void> {
  const report = createReporter(process.stderr);
  const task = report.begin('Benchmark of a turn');
  task.progress('starting server, provider and workers');
  const machine = describeMachine();
  const stage = await buildStage({ only, providerLatencyMs: latency, profileDirectory: profile, report });
  try {
    const benchmark = { limit: { seconds, turns }, rounds, callerCounts: callers };
    const rows = await runTurnBenchmark(stage, benchmark, task);
    task.succeed(`Measured on ${machine}`);

    const comparisons = compare(rows);
    const promising = stage.ways.filter(({ promisesOneCall }) => promisesOneCall).map(({ name }) => name);
    const { broken, doubtful } = findProblems(rows, new Set(promising));
    if (json) {
      const measuredAt = new Date().toISOString();
      writeJson({
        measuredAt,
        machine,
        seconds,
        rounds,
        providerLatencyMs: latency,
        rows,
        comparisons,
      });
    } else {
      writeLines([renderRows(rows), '', renderComparisons(comparisons)]);
    }
    for (const problem of [...broken, ...doubtful]) report.note(problem);
    if (broken.length > 0) process.exitCode = 1;
  } catch (error) {
    task.fail('The benchmark failed');
    throw error;
  } finally {
    await stage.stop();
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

function positiveList(text: string): number[] {
  return text.split(',').map(positive);
}
