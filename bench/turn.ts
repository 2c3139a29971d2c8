import { Command } from 'commander';
import { writeJson, writeLines } from '../src/terminal/output';
import { createReporter } from '../src/terminal/reporter';
import { addMeasureFlags, positive, type MeasureFlags } from './flags';
import { compare, describeMachine, findProblems, tellProblems, renderComparisons, renderRows } from './report';
import { runTurnBenchmark } from './run-turn-benchmark';
import { buildStage } from './stage';

interface TurnFlags extends MeasureFlags {
  readonly latency: number;
}

const ways = ['send', 'complete', 'direct', 'textbook', 'plain'];

export function turnCommand(): Command {
  const command = new Command('turn')
    .description('what a durable turn costs, beside a direct call and two other ways to make it durable')
    .option('--latency <milliseconds>', "the simulated provider's time for an answer", positive, 50);
  return addMeasureFlags(command, { seconds: 5, rounds: 5, ways }).action(run);
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
    const problems = findProblems(rows, new Set(promising));
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
    tellProblems(problems, report);
  } catch (error) {
    task.fail('The benchmark failed');
    throw error;
  } finally {
    await stage.stop();
  }
}
