import { setTimeout as delay } from 'node:timers/promises';
import type { ReportedTask } from '../src/terminal/reporter';

export interface RoundsPlan {
  /** Of one measurement; each entry is measured once per round. */
  readonly limit: Limit;
  readonly rounds: number;
}

/** Something to measure in every round. */
export interface Entry<Measured> {
  readonly label: string;
  measure(limit: Limit): Promise<Measured>;
  readonly rounds: Measured[];
}

/** Compilers and connection pools are warm after this. */
const warmUpSeconds = 4;

/**
 * Measures all entries in every round, starting with a different one each time, so that other load affects all equally.
 */
export async function runRounds<Measured>(
  entries: readonly Entry<Measured>[],
  { limit, rounds }: RoundsPlan,
  task: ReportedTask,
): Promise<void> {
  for (const entry of entries) {
    task.progress(`warm-up, ${entry.label}`);
    await entry.measure({ ...limit, seconds: Math.min(limit.seconds, warmUpSeconds) });
  }
  for (let round = 0; round < rounds; round += 1) {
    const shift = round % entries.length;
    for (const entry of [...entries.slice(shift), ...entries.slice(0, shift)]) {
      task.progress(`round ${round + 1} of ${rounds}, ${entry.label}`);
      entry.rounds.push(await entry.measure(limit));
    }
  }
}

export function callersLabel(count: number): string {
  return `${count} ${count === 1 ? 'caller' : 'callers'}`;
}

/** How long one measurement runs: no turn starts once either limit is reached. */
export interface Limit {
  readonly seconds: number;
  readonly turns: number;
}

interface TurnTaker<Turn> {
  turn(): Promise<Turn>;
}

interface TakenTurns<Turn> {
  readonly turns: readonly Turn[];
  /** From the first turn's start to the last one's end. */
  readonly elapsedMs: number;
}

/**
 * Each caller sends its turns one after another until the limit; all started turns are awaited. So that callers do not
 * run in step, their first turns are spread over `spreadMs`, the time of one provider answer.
 */
export async function runCallers<Turn>(
  callers: readonly TurnTaker<Turn>[],
  limit: Limit,
  spreadMs: number,
): Promise<TakenTurns<Turn>> {
  const startedAtMs = performance.now();
  const deadlineMs = startedAtMs + limit.seconds * 1000;
  const turns: Turn[] = [];
  let begun = 0;
  const run = async (caller: TurnTaker<Turn>, index: number): Promise<void> => {
    await delay((index / callers.length) * spreadMs);
    while (begun < limit.turns && performance.now() < deadlineMs) {
      begun += 1;
      turns.push(await caller.turn());
    }
  };
  await Promise.all(callers.map(run));
  return { turns, elapsedMs: performance.now() - startedAtMs };
}
