import { Command } from 'commander';
import pc from 'picocolors';
import { figuresOf } from '../../domain/rollout/figures';
import { migrationVerdict } from '../../domain/rollout/migration-report';
import { readReport, type RolloutReport } from '../../operator/migration-report';
import { withOperator } from '../../operator/rollout-operator';
import { phaseShown, takenOver } from '../../operator/view';
import { routingProblem } from '../../operator/warnings';
import { formatTime, oneLine, phaseIcons } from '../../terminal/format';
import { writeJson, writeLines } from '../../terminal/output';
import { exitStatusHelp } from '../exit-status';
import { reportFigures } from './report-figures';

/** `bellwether rollout report`: what the rule says of a rollout, its figures, and the migration guide's report. */
export function reportCommand(): Command {
  return new Command('report')
    .description("print what the rule says of a rollout, and its figures; with --json, the migration guide's report")
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', "print exactly the guide's report as JSON")
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const report = await withOperator(({ rollouts }, { policy }) => readReport(rollouts, name, policy));
      if (json) writeJson(report.guide);
      else writeLines([...standing(report), '', ...reportFigures(report), ...verdict(report)]);
    });
}

/** What the rule says. It comes first: figures alone invite to conclude too early. */
function standing({ view }: RolloutReport): readonly string[] {
  const { spec } = view;
  return [
    pc.bold(`${spec.name}: ${spec.baselineArm} → ${spec.canaryArm}`),
    `  ${phaseIcons[phaseShown(view)]} ${phaseShown(view)}${placeOf(view)}`,
    ...evidenceLines(view),
  ];
}

function placeOf({ spec, state, split, outlook }: RolloutReport['view']): string {
  const taken = phaseShown({ spec, state, split }) === takenOver;
  if (taken)
    return `: ${oneLine(routingProblem({ spec, state, split }) ?? '')} What follows is what it had until then.`;
  // What an analysis would say now follows, and is newer than what the last one said.
  if (state.phase === 'Progressing' && outlook !== null) return ` at ${state.percent}%`;
  const ended = state.endedAtMs === null ? '' : `, ended ${formatTime(state.endedAtMs)}`;
  return ` at ${state.percent}%${ended}: ${oneLine(state.message)}`;
}

function evidenceLines({ spec, state, evidence, outlook }: RolloutReport['view']): readonly string[] {
  if (evidence === null || outlook === null) return [];
  if (state.phase === 'Promoting') return outlook.missing.length === 0 ? [] : [`  ${oneLine(outlook.reason)}`];
  const head = `  ${figuresOf(spec, evidence, state.percent).advanceText}`;
  if (outlook.action === 'advance') return [head, '  Nothing is missing: the next analysis advances.'];
  if (outlook.action !== 'wait') return [head, `  An analysis now would ${outlook.action}: ${oneLine(outlook.reason)}`];
  return [head, '  Missing for the next step:', ...outlook.missing.map((what) => `  - ${oneLine(what)}`)];
}

/** The guide's words, where they do not contradict the rule. */
function verdict({ guide, view }: RolloutReport): readonly string[] {
  const phase = phaseShown(view);
  if (phase === takenOver || phase === 'RolledBack') return [];
  const isProven = phase === 'Promoting' || phase === 'Succeeded' || view.outlook?.action === 'advance';
  if (guide.canary.ready_to_promote && !isProven) {
    const words = [
      "`ready_to_promote` is true: the guide's rule asks for a success rate of 99% so far, even of only a few requests.",
      'Nothing is decided by it; what is missing is listed at the top.',
    ];
    return ['', ...words.map(pc.dim)];
  }
  const note = "This verdict is the guide's: a success rate of 99% so far. The evidence that decides is at the top.";
  return ['', ...migrationVerdict(guide), pc.dim(note)];
}
