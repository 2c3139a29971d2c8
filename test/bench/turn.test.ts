import { startTypescript } from '../support/typescript-program';

/** The parts of a row that do not depend on the machine. */
interface Row {
  readonly way: string;
  readonly callers: number;
  readonly turns: number;
  readonly p50OverheadMs: number;
  readonly turnsPerSecond: number;
  readonly eventsPerTurn: number | null;
  readonly actionsPerTurn: number | null;
  readonly extraCalls: number;
}

/** Server, four processes and two bundles on a busy machine. */
jest.setTimeout(180_000);

test('the benchmark of a turn measures every way at every number of callers and counts real histories', async () => {
  const flags = ['--turns', '3', '--rounds', '1', '--callers', '1,2', '--latency', '1', '--json'];
  const program = startTypescript('../src/bench/main.ts', 'turn', ...flags);
  const status = await program.ended;
  expect({ status, problems: status === 0 ? '' : program.output.stderr }).toEqual({ status: 0, problems: '' });

  const { rows } = JSON.parse(program.output.stdout) as { rows: Row[] };
  expect(rows.map(({ way, callers }) => `${way} ${callers}`)).toEqual(
    [1, 2].flatMap((callers) => ['send', 'complete', 'direct', 'textbook', 'plain'].map((way) => `${way} ${callers}`)),
  );
  for (const row of rows) {
    expect(row).toMatchObject({ turns: 3, extraCalls: 0 });
    expect(row.turnsPerSecond).toBeGreaterThan(0);
    expect(row.p50OverheadMs).not.toBeNaN();
  }
  const [send, complete, direct, textbook, plain] = rows;
  // Three measured turns and three of the warm-up: a start, an idle timer and one upsert for six turns of six events.
  expect(send).toMatchObject({ eventsPerTurn: 6 + 3 / 6, actionsPerTurn: 2 + 3 / 6 });
  expect(complete).toMatchObject({ eventsPerTurn: 7, actionsPerTurn: 3 });
  expect(direct).toMatchObject({ eventsPerTurn: null, actionsPerTurn: null });
  expect(textbook).toMatchObject({ eventsPerTurn: expect.any(Number), actionsPerTurn: 2 + 1 / 6 });
  expect(plain).toMatchObject({ eventsPerTurn: 29, actionsPerTurn: 5 });
});

test('a way that does not exist is named in the error', async () => {
  const program = startTypescript('../src/bench/main.ts', 'turn', '--only', 'fastest');
  expect(await program.ended).toBe(1);
  expect(program.output.stderr).toContain('No way is named fastest');
});
