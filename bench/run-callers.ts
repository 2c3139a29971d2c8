import { setTimeout as delay } from 'node:timers/promises';

/** How long one measurement goes on: no turn is begun after whichever comes first. */
export interface Limit {
  readonly seconds: number;
  readonly turns: number;
}

interface TurnTaker<Turn> {
  turn(): Promise<Turn>;
}

export interface TakenTurns<Turn> {
  readonly turns: readonly Turn[];
  /** From the first turn's start to the last one's end. */
  readonly elapsedMs: number;
}

/**
 * Every caller sends its turns one after the other until the limit; all turns that were begun are waited for. Callers do
 * not come in step: their first turns are spread over `spreadMs`, one answer of the provider.
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
