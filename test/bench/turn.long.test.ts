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
const testTimeMs = 180_000;
jest.setTimeout(testTimeMs);

test('the turn benchmark measures every design at every number of callers and counts real histories', async () => {
  // The number of turns is the limit: this time is never reached.
  const limit = ['--turns', '3', '--seconds', '600', '--rounds', '1'];
  const flags = [...limit, '--callers', '1,2', '--latency', '1', '--json'];
  const program = startTypescript('../bench/main.ts', 'turn', ...flags);
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
  expectCounted(send, 6 + 3 / 6, 2 + 3 / 6);
  expectCounted(complete, 7, 3);
  expect(direct).toMatchObject({ eventsPerTurn: null, actionsPerTurn: null });
  expectCounted(textbook, 11, 2 + 1 / 6);
  expectCounted(plain, 29, 5);
});

/**
 * If a process is delayed for 8 s, after which a workflow task sends a heartbeat, the history gets extra tasks of three
 * events each; in the warm-up, fewer turns then share a start. So the figures may be higher, as far as the test's time
 * and its three turns allow, but never lower.
 */
function expectCounted(row: Row | undefined, events: number, actions: number): void {
  const mostTasksPerTurn = testTimeMs / 8_000 / 3;
  expect(row?.eventsPerTurn).toBeGreaterThanOrEqual(events);
  expect(row?.eventsPerTurn).toBeLessThanOrEqual(events + 1 + 3 * mostTasksPerTurn);
  expect(row?.actionsPerTurn).toBeGreaterThanOrEqual(actions);
  expect(row?.actionsPerTurn).toBeLessThanOrEqual(actions + 1 + mostTasksPerTurn);
}

test('the error names a design that does not exist', async () => {
  const program = startTypescript('../bench/main.ts', 'turn', '--only', 'fastest');
  expect(await program.ended).toBe(1);
  expect(program.output.stderr).toContain('No way is named fastest');
});
