import type { ReportedTask } from '../temporal-server/reporter';
import { Caller } from './caller';
import { countHistory } from './count-history';
import { measure, type Limit, type Measurement } from './measure';
import type { Stage } from './stage';
import { sum, summarize, type HistoryPerTurn, type Row } from './summary';
import type { Way } from './ways/way';

export interface TurnBenchmark {
  /** Of one measurement: each way has one at each number of callers in each round. */
  readonly limit: Limit;
  readonly rounds: number;
  readonly callerCounts: readonly number[];
}

/** Compilers and connection pools are warm after this. */
const warmUpSeconds = 4;

/** Histories read per way and number of callers; conversations are alike. */
const countedTurns = 200;

/** Something to measure in every round. */
interface Entry {
  readonly way: Way;
  readonly callers: readonly Caller[];
  readonly rounds: Measurement[];
}

/** All ways in every round, beginning with another one each time, so that what else the machine does hits all alike. */
export async function runTurnBenchmark(stage: Stage, benchmark: TurnBenchmark, task: ReportedTask): Promise<Row[]> {
  const { limit, rounds, callerCounts } = benchmark;
  const entries: Entry[] = callerCounts.flatMap((count) =>
    stage.ways.map((way) => ({ way, callers: Array.from({ length: count }, () => new Caller(way)), rounds: [] })),
  );
  for (const { way, callers } of entries) {
    task.progress(`warm-up, ${label(way, callers)}`);
    await measure(stage, way, callers, { ...limit, seconds: Math.min(limit.seconds, warmUpSeconds) });
  }
  for (let round = 0; round < rounds; round += 1) {
    const shift = round % entries.length;
    for (const entry of [...entries.slice(shift), ...entries.slice(0, shift)]) {
      task.progress(`round ${round + 1} of ${rounds}, ${label(entry.way, entry.callers)}`);
      entry.rounds.push(await measure(stage, entry.way, entry.callers, limit));
    }
  }
  task.progress('counting histories');
  const rows: Row[] = [];
  for (const { way, callers, rounds: measured } of entries) {
    rows.push(summarize(way, callers.length, measured, await countPerTurn(stage, callers)));
  }
  return rows;
}

function label(way: Way, callers: readonly Caller[]): string {
  return `${way.title}, ${callers.length} ${callers.length === 1 ? 'caller' : 'callers'}`;
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
