import type { ReportedTask } from '../src/terminal/reporter';
import type { Limit } from './run-callers';

export interface RoundsPlan {
  /** Of one measurement: each entry has one in each round. */
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

/** All entries in every round, beginning with another one each time, so that what else the machine does hits all alike. */
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
