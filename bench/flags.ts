import { InvalidArgumentError, type Command } from 'commander';

/** How long, how often and with how many concurrent callers a benchmark measures. */
export interface MeasureFlags {
  readonly seconds: number;
  readonly turns: number;
  readonly rounds: number;
  readonly callers: readonly number[];
  readonly only?: readonly string[];
  readonly profile?: string;
  readonly json?: boolean;
}

export interface MeasureDefaults {
  readonly seconds: number;
  readonly rounds: number;
  /** All available ways. */
  readonly ways: readonly string[];
}

export function addMeasureFlags(command: Command, { seconds, rounds, ways }: MeasureDefaults): Command {
  return command
    .option('--seconds <seconds>', 'time for each way at each number of callers in each round', positive, seconds)
    .option('--turns <turns>', 'maximum number of turns in that time', positive, Infinity)
    .option('--rounds <rounds>', 'rounds; every way is measured in each', positive, rounds)
    .option('--callers <counts>', 'numbers of concurrent callers', positiveList, [1, 64])
    .option('--only <names>', `ways: ${ways.join(', ')}`, (names: string) => names.split(','))
    .option('--profile <directory>', 'write the CPU profiles of our processes there; the profiler slows them down')
    .option('--json', 'the result as JSON');
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

function positiveList(text: string): number[] {
  return text.split(',').map(positive);
}

/** The selected ways; all if none are named. */
export function chosenWays<Way extends { readonly name: string }>(
  ways: readonly Way[],
  only: readonly string[] | undefined,
): Way[] {
  const chosen = ways.filter(({ name }) => only?.includes(name) ?? true);
  if (chosen.length === 0) throw new Error(`No way is named ${only?.join(', ')}: see --only in the help.`);
  return chosen;
}
