import type { ReportedTask } from '../src/terminal/reporter';
import { Caller } from './caller';
import { countHistory } from './count-history';
import { measure, type Measurement } from './measure';
import { callersLabel, runRounds, type Entry, type RoundsPlan } from './run-rounds';
import type { Stage } from './stage';
import { sum, summarize, type HistoryPerTurn, type Row } from './summary';

export interface TurnBenchmark extends RoundsPlan {
  readonly callerCounts: readonly number[];
}

/** Histories read per way and number of callers; conversations are alike. */
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

/** Of the longest conversations first: a start is then spread over as many turns as a whole conversation has. */
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
