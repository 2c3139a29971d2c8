import { findRedisProgram } from '../../../bench/redis';
import { startTypescript } from '../../support/typescript-program';

interface Overhead {
  readonly p50Ms: number;
}

/** The parts of the result that do not depend on the machine. */
interface Result {
  readonly rows: readonly {
    readonly way: string;
    readonly delivery: 'streamed' | 'plain';
    readonly callers: number;
    readonly turns: number;
    readonly firstToken: Overhead | null;
    readonly whole: Overhead;
    readonly extraCalls: number;
    readonly cpuMsPerTurn: Readonly<Record<string, number | null>>;
  }[];
  readonly memory: readonly { readonly way: string; readonly program: string; readonly openStreams: number }[];
  readonly missing: readonly string[];
}

/** Server, six processes and two bundles on a busy machine. */
jest.setTimeout(240_000);

const hasRedis = findRedisProgram() !== undefined;
const ways = ['direct', 'proxy', 'joined', ...(hasRedis ? ['split'] : [])];

test('the gateway benchmark measures every design, streamed and plain, and the memory of every program', async () => {
  // The number of turns is the limit: this time is never reached.
  const counts = ['--turns', '3', '--seconds', '600', '--rounds', '1', '--callers', '1,2', '--streams', '3'];
  const provider = ['--first-token', '1', '--gap', '1', '--pieces', '10'];
  const program = startTypescript('../bench/main.ts', 'gateway', ...counts, ...provider, '--json');
  const status = await program.ended;
  expect({ status, problems: status === 0 ? '' : program.output.stderr }).toEqual({ status: 0, problems: '' });

  const { rows, memory, missing } = JSON.parse(program.output.stdout) as Result;
  expect(rows.map(({ way, delivery, callers }) => `${way} ${delivery} ${callers}`)).toEqual(
    [1, 2].flatMap((callers) =>
      ['streamed', 'plain'].flatMap((delivery) => ways.map((way) => `${way} ${delivery} ${callers}`)),
    ),
  );
  for (const row of rows) {
    expect(row).toMatchObject({ turns: 3, extraCalls: 0, whole: { p50Ms: expect.any(Number) } });
    const firstToken = row.delivery === 'streamed' ? { p50Ms: expect.any(Number) } : null;
    expect(row).toMatchObject({ firstToken });
  }
  const processes = (way: string) =>
    Object.entries(rows.find((row) => row.way === way)?.cpuMsPerTurn ?? {})
      .filter(([, cpuMs]) => cpuMs !== null)
      .map(([name]) => name);
  expect(processes('direct')).toEqual(['simulator', 'caller']);
  expect(processes('proxy')).toEqual(['front', 'simulator', 'caller']);
  expect(processes('joined')).toEqual(['front', 'server', 'simulator', 'caller']);

  const measured = memory.map(({ way, program: name, openStreams }) => `${way}, ${name}: ${openStreams}`);
  const apart = hasRedis ? ['split, gateway: 3', 'split, worker: 3'] : [];
  expect(measured).toEqual(['proxy, proxy: 3', 'joined, gateway and worker: 3', ...apart]);
  expect(missing).toHaveLength(hasRedis ? 0 : 1);
});

test('the error names a design that does not exist', async () => {
  const program = startTypescript('../bench/main.ts', 'gateway', '--only', 'fastest');
  expect(await program.ended).toBe(1);
  expect(program.output.stderr).toContain('No way is named fastest');
});
