import { Command } from 'commander';
import { renderTable, writeJson, writeLines } from '../src/terminal/output';
import { devServerTuning } from '../src/temporal-server/dev-server';
import { createReporter } from '../src/terminal/reporter';
import { describeMachine, type Row } from './report';
import { buildStage } from './stage';
import { runTurnBenchmark } from './turn';

interface Setting {
  readonly title: string;
  readonly tuning: readonly string[];
  readonly maxCachedWorkflows?: number;
}

const [writeAheadLog = '', quickPolling = ''] = devServerTuning;

/** Each is measured separately, to compare its effect with the others. */
const settings: readonly Setting[] = [
  { title: 'defaults', tuning: [] },
  { title: 'WAL', tuning: [writeAheadLog] },
  { title: 'quick polling', tuning: [quickPolling] },
  { title: 'both: our settings', tuning: devServerTuning },
  { title: 'both, synchronous=off', tuning: [...devServerTuning, '--sqlite-pragma=synchronous=off'] },
  {
    title: 'both, history cache of 32 workflows',
    tuning: [...devServerTuning, '--dynamic-config-value=history.hostLevelCacheMaxSize=32'],
  },
  { title: 'both, worker cache of 32 workflows', tuning: devServerTuning, maxCachedWorkflows: 32 },
];

const way = 'send';
const callerCounts = [1, 64];

/** `npm run bench -- server`: the effect of each setting of the development server and of the worker's cache. */
export function serverCommand(): Command {
  return new Command('server')
    .description('the effect of each Temporal server setting on a turn of a conversation')
    .option('--seconds <seconds>', 'time for each setting at each number of callers in each round', Number, 5)
    .option('--rounds <rounds>', 'rounds', Number, 2)
    .option('--json', 'the result as JSON')
    .action(async (flags: { readonly seconds: number; readonly rounds: number; readonly json?: boolean }) => {
      const machine = describeMachine();
      const measured: { readonly title: string; readonly rows: readonly Row[] }[] = [];
      for (const setting of settings) measured.push({ title: setting.title, rows: await measure(setting, flags) });
      if (flags.json) writeJson({ machine, measured });
      else writeLines([machine, render(measured)]);
    });
}

async function measure(setting: Setting, flags: { readonly seconds: number; readonly rounds: number }): Promise<Row[]> {
  const report = createReporter(process.stderr);
  const task = report.begin(`Temporal server: ${setting.title}`);
  const stage = await buildStage({
    ...setting,
    only: [way],
    providerLatencyMs: 50,
    profileDirectory: undefined,
    report,
  });
  try {
    const limit = { seconds: flags.seconds, turns: Infinity };
    const rows = await runTurnBenchmark(stage, { limit, rounds: flags.rounds, callerCounts }, task);
    task.succeed(setting.title);
    return rows;
  } catch (error) {
    task.fail(setting.title);
    throw error;
  } finally {
    await stage.stop();
  }
}

function render(measured: readonly { readonly title: string; readonly rows: readonly Row[] }[]): string {
  const columns = [
    { title: 'setting' },
    ...callerCounts.flatMap((callers) =>
      [`p50 ms, ${callers}`, `turns/s, ${callers}`, `server CPU ms, ${callers}`].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ),
  ];
  return renderTable(
    columns,
    measured.map(({ title, rows }) => [
      title,
      ...rows.flatMap(({ p50OverheadMs, turnsPerSecond, cpuMsPerTurn }) =>
        [p50OverheadMs, turnsPerSecond, cpuMsPerTurn.server].map((value) => value.toFixed(1)),
      ),
    ]),
  );
}
