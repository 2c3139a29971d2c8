import { Command } from 'commander';
import type { RolloutAction } from '../../contract/rollout';
import { exitStatusHelp } from '../exit-status';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { withOperator } from '../../operator/rollout-operator';
import { listRollouts, readTrail, type TrailEntry, trailEntryAsJson } from '../../operator/trail';
import { formatTime, oneLine, phaseIcons } from '../../terminal/format';

interface HistoryFlags {
  readonly all?: boolean;
  readonly rollouts?: boolean;
  readonly json?: boolean;
}

/** `bellwether rollout history`: what changed, when, by whom and why. */
export function historyCommand(): Command {
  return new Command('history')
    .description('show what changed in a rollout: when, by whom and why')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--all', 'include analyses that waited')
    .option('--rollouts', 'list all rollouts instead')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action((name: string | undefined, flags: HistoryFlags) =>
      flags.rollouts ? listAll(flags) : showHistory(name, flags),
    );
}

async function showHistory(name: string | undefined, { all, json }: HistoryFlags): Promise<void> {
  const trail = await withOperator(({ rollouts }) => readTrail(rollouts, name));
  const shown = trail.filter((entry) => all === true || entry.row.action !== 'wait');
  if (json) writeJson(shown.map(trailEntryAsJson));
  else writeLines([historyTable(shown)]);
}

const verbs: Readonly<Record<RolloutAction, string>> = {
  start: 'started',
  advance: 'advanced',
  'roll-back': 'rolled back',
  hold: 'held',
  wait: 'waited',
  pause: 'paused',
  resume: 'resumed',
  exclude: 'excluded',
  refuse: 'refused',
  finish: 'finished',
};

function historyTable(trail: readonly TrailEntry[]): string {
  return renderTable(
    [
      { title: '#', align: 'right' },
      { title: 'when' },
      { title: 'who' },
      { title: 'what' },
      { title: 'split', align: 'right' },
      { title: 'why' },
    ],
    trail.map(({ row, before, decision }) => [
      `${row.sequence}`,
      formatTime(row.atMs),
      oneLine(row.actor),
      verbs[decision.action],
      before === null || before.percent === decision.next.percent
        ? `${decision.next.percent}%`
        : `${before.percent}% → ${decision.next.percent}%`,
      oneLine(row.reason),
    ]),
  );
}

async function listAll({ json }: HistoryFlags): Promise<void> {
  const rollouts = await withOperator((operator) => listRollouts(operator.rollouts));
  if (json) writeJson(rollouts);
  else if (rollouts.length === 0) writeLines(['There has been no rollout yet.']);
  else
    writeLines([
      renderTable(
        ['rollout', 'from', 'to', 'phase', 'split', 'started', 'ended', 'by'].map((title) => ({ title })),
        rollouts.map((row) => [
          row.rollout,
          row.from,
          row.to,
          `${phaseIcons[row.phase]} ${row.phase}`,
          `${row.percent}%`,
          formatTime(Date.parse(row.started_at)),
          row.ended_at === null ? '' : formatTime(Date.parse(row.ended_at)),
          row.started_by,
        ]),
      ),
    ]);
}
