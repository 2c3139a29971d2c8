import { Command } from 'commander';
import { writeJson, writeLines } from '../src/terminal/output';
import { createReporter, type ReportedTask } from '../src/terminal/reporter';
import { addMeasureFlags, type MeasureFlags, positive } from './flags';
import {
  compare,
  describeMachine,
  findProblems,
  type HistoryPerTurn,
  renderComparisons,
  renderRows,
  type Row,
  sum,
  summarize,
  tellProblems,
} from './report';
import { buildStage, type Stage } from './stage';
import { Caller, measure, type Measurement } from './measure';
import { countHistory } from './count-history';
import { callersLabel, type Entry, type RoundsPlan, runRounds } from './run-rounds';

interface TurnFlags extends MeasureFlags {
  readonly latency: number;
}

const ways = ['send', 'complete', 'direct', 'textbook', 'plain'];

export function turnCommand(): Command {
  const command = new Command('turn')
    .description('what a durable turn costs, compared with a direct call and two other ways to make it durable')
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

interface TurnBenchmark extends RoundsPlan {
  readonly callerCounts: readonly number[];
}

/** Turns whose histories are counted per way and number of callers; conversations are alike. */
const countedTurns = 200;

/** All ways at all numbers of callers. */
export async function runTurnBenchmark(stage: Stage, benchmark: TurnBenchmark, task: ReportedTask): Promise<Row[]> {
  const entries = benchmark.callerCounts.flatMap((count) =>
    stage.ways.map((way) => {
      const callers = Array.from({ length: count }, () => new Caller(way));
      const entry: Entry<Measurement> = {
        label: `${way.title}, ${callersLabel(count)}`,
        measure: (limit) => measure(stage, way, callers, limit),
        rounds: [],
      };
      return { ...entry, way, callers };
    }),
  );
  await runRounds(entries, benchmark, task);
  task.progress('counting histories');
  const rows: Row[] = [];
  for (const { way, callers, rounds } of entries) {
    rows.push(summarize(way, callers.length, rounds, await countPerTurn(stage, callers)));
  }
  return rows;
}

/** Counts the longest conversations first, so that a start is spread over the turns of a whole conversation. */
async function countPerTurn(stage: Stage, callers: readonly Caller[]): Promise<HistoryPerTurn | null> {
  for (const caller of callers) caller.endConversation();
  const conversations = callers
    .flatMap((caller) => caller.conversations)
    .filter(({ workflowIds }) => workflowIds.length > 0)
    .toSorted((a, b) => b.turns - a.turns);

  let [turns, events, actions] = [0, 0, 0];
  for (const conversation of conversations) {
    const counts = await Promise.all(conversation.workflowIds.map((id) => countHistory(stage.client, id)));
    turns += conversation.turns;
    events += sum(counts.map((count) => count.events));
    actions += sum(counts.map((count) => count.actions));
    if (turns >= countedTurns) break;
  }
  return turns === 0 ? null : { events: events / turns, actions: actions / turns };
}
