import { Command } from 'commander';
import pc from 'picocolors';
import { figuresOf } from '../../domain/rollout/figures';
import { formatUsd } from '../../domain/turn/prices';
import { exitStatusHelp } from '../exit-status';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { explain, type Explanation, explanationAsJson } from '../../operator/explanation';
import type { Measured } from '../../operator/measures';
import { withOperator } from '../../operator/rollout-operator';
import { readTrail, type TrailEntry } from '../../operator/trail';
import { formatTime, oneLine } from '../../terminal/format';

/** `bellwether rollout explain`: the reasons for the last decision. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('explain the last decision, and what is missing for the next step')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const explanation = await withOperator(async ({ rollouts }) =>
        explain(await readTrail(rollouts, name), await rollouts.split()),
      );
      if (json) writeJson(explanationAsJson(explanation));
      else writeLines(asText(explanation));
    });
}

const notMeasured = 'no guard, or too little data';

/** `5.10 of 6.91`. */
function valueOf({ unit, value, needed }: Measured): string {
  if (value === null || needed === null) return notMeasured;
  const format = (figure: number) => (unit === 'evidence' ? figure.toFixed(2) : formatUsd(figure));
  return `${format(value)} of ${format(needed)}`;
}

export function asText({ entry, takenOverBy, seen, measures, findings, missing }: Explanation): readonly string[] {
  const { row, decision, spec } = entry;
  const head = [
    pc.bold(
      `${spec.name}: decision ${row.sequence}, ${formatTime(row.atMs)}, by ${oneLine(row.actor)}: ${decision.action}`,
    ),
    `  ${oneLine(row.reason)}`,
    ...(takenOverBy === null
      ? []
      : [pc.yellow(`  Rollout ${takenOverBy} has taken over since; this was its last decision.`)]),
  ];
  return [
    ...head,
    ...(seen === null ? ['', 'No decision has seen any evidence yet.'] : evidenceText(entry, seen, measures)),
    ...(findings.length === 0 ? [] : ['', 'Findings:', ...findings.map((finding) => `  - ${finding}`)]),
    ...(missing.length === 0 ? [] : ['', 'Missing for the next step:', ...missing.map((what) => `  - ${what}`)]),
    // An operator may have forced a step that the evidence did not ask for.
    ...(takenOverBy === null && entry.command === null && decision.action === 'advance'
      ? ['', 'Nothing was missing.']
      : []),
  ];
}

function evidenceText(entry: TrailEntry, seen: TrailEntry, measures: readonly Measured[]): readonly string[] {
  const { evidence, before, spec, row } = seen;
  if (evidence === null || before === null) return [];
  const which = seen === entry ? 'It saw' : `The last evidence, seen by decision ${row.sequence}`;
  const table = renderTable(
    [{ title: 'measure' }, { title: 'value', align: 'right' }, { title: 'reached' }, { title: 'means' }],
    measures.map((measured) => {
      const { measure, reached, meaning } = measured;
      return [measure, valueOf(measured), reached ? 'yes' : 'no', meaning];
    }),
  );
  return [
    '',
    `${which}: in bake ${evidence.bake}, at ${before.percent}%: ${figuresOf(spec, evidence, before.percent).rates}.`,
    table,
  ];
}
