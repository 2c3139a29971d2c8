import { Command } from 'commander';
import pc from 'picocolors';
import type { ArmEvidence, Evidence, RolloutSpec } from '../../contract/rollout';
import type { UserEvidence, UserTally } from '../../contract/user-evidence';
import { evidenceDueAtMs, formatDuration, stepDueAtMs } from '../../domain/rollout/clock';
import { isReached, requestsOf, type TestValue } from '../../domain/rollout/evidence';
import { figuresOf } from '../../domain/rollout/figures';
import { percentOf } from '../../domain/rollout/findings';
import { withOperator } from '../../operator/rollout-operator';
import { statusAsJson } from '../../operator/status-json';
import { actualShare, phaseShown, type RolloutView, takenOver } from '../../operator/view';
import { isOverdue, reportedFindings, warningsOf } from '../../operator/warnings';
import {
  formatCostPerSuccess,
  formatCount,
  formatLatency,
  formatMoment,
  formatSuccessRate,
  oneLine,
  phaseIcons,
  wrapWords,
} from '../../terminal/format';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { exitStatusHelp } from '../exit-status';

/** `bellwether rollout status`: the state of a rollout, even while Temporal is down. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show where a rollout stands: phase, split, evidence, what is missing')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action((name: string | undefined, { json }: { json?: boolean }) => showStatus(name, json));
}

async function showStatus(name: string | undefined, json: boolean | undefined): Promise<void> {
  const view = await withOperator((operator) => operator.view(name));
  if (json) writeJson(statusAsJson(view));
  else writeLines(statusLines(view));
}

/** Lines are wrapped only on a terminal. */
const endlessWidth = Number.POSITIVE_INFINITY;

/** The whole status as text; on a terminal, wrapped to `columns`. */
export function statusLines(
  view: RolloutView,
  isTerminal = process.stdout.isTTY,
  columns = process.stdout.columns,
): readonly string[] {
  const width = isTerminal ? Math.max(40, columns || 80) : endlessWidth;
  const { spec, state } = view;
  const phase = phaseShown(view);
  return [
    pc.bold(`${spec.name}: ${spec.baselineArm} → ${spec.canaryArm}`),
    `  ${phaseColours[phase](`${phaseIcons[phase]} ${phase}`)}, ${placeOf(view)}`,
    ...wrapWords(state.message, width, '  '),
    ...warningsOf(view)
      .flatMap(({ message }) => wrapWords(message, width, '    ', '  ! '))
      .map(pc.yellow),
    `  ${sharesOf(view)}`,
    ...evidenceLines(view),
    ...noteLines(view, width),
    ...missingLines(view, width),
    ...timeLines(view),
  ];
}

/** One line for logs and pipes. `split` is what routes turns, if that is known. */
export function statusLine({
  spec,
  state,
  split = null,
}: Pick<RolloutView, 'spec' | 'state'> & Partial<Pick<RolloutView, 'split'>>): string {
  const phase = phaseShown({ spec, state, split });
  return `${spec.name} ${phaseIcons[phase]} ${phase} at ${state.percent}%: ${oneLine(state.message)}`;
}

const phaseColours: Readonly<Record<ReturnType<typeof phaseShown>, (text: string) => string>> = {
  Progressing: pc.cyan,
  Promoting: pc.cyan,
  Paused: pc.yellow,
  Held: pc.yellow,
  Succeeded: pc.green,
  RolledBack: pc.red,
  TakenOver: pc.yellow,
};

function placeOf(view: RolloutView): string {
  const { spec, state, split } = view;
  if (phaseShown(view) === takenOver) return `rollout ${split?.rollout} routes turns`;
  if (state.phase === 'RolledBack') return `all turns on ${spec.baselineArm}`;
  if (state.step >= spec.steps.length) return `all turns on ${spec.canaryArm}`;
  return `step ${state.step + 1}/${spec.steps.length}`;
}

function sharesOf(view: RolloutView): string {
  const { state, split, spec, traffic, trafficSinceMs, atMs } = view;
  const set = split?.rollout === spec.name ? split.percent : state.percent;
  const share = actualShare(view);
  const turns = traffic.reduce((sum, row) => sum + row.turns, 0);
  const window = `the last ${formatDuration(atMs - trafficSinceMs)}`;
  const actual =
    share === null ? `no turns in ${window}` : `${percentOf(share)} of ${formatCount(turns)} turns in ${window}`;
  return `${spec.canaryArm}: set to ${set}% of users, actual share ${actual}`;
}

function evidenceLines({ spec, state, evidence }: RolloutView): readonly string[] {
  if (evidence === null) return [];
  const { advance, advanceText } = figuresOf(spec, evidence, state.percent);
  const bar = state.phase === 'Promoting' ? [] : [`  ${evidenceBar(advance)} ${advanceText}`];
  const table = 'rule' in evidence ? userTable(spec, evidence) : requestTable(spec, evidence);
  return [...bar, '', ...table.split('\n').map((line) => `  ${line}`)];
}

function requestTable({ baselineArm, canaryArm }: RolloutSpec, { baseline, canary }: Evidence): string {
  const arms: readonly (readonly [string, ArmEvidence])[] = [
    [baselineArm, baseline],
    [canaryArm, canary],
  ];
  return renderTable(
    [
      { title: 'in this bake' },
      { title: 'requests', align: 'right' },
      { title: 'success (95%)', align: 'right' },
      { title: 'mean', align: 'right' },
      { title: 'p95', align: 'right' },
      { title: 'cost/success', align: 'right' },
    ],
    arms.map(([name, arm]) => [
      name,
      formatCount(requestsOf(arm)),
      formatSuccessRate(arm.successes, requestsOf(arm)),
      formatLatency(arm.latencyMeanMs),
      formatLatency(arm.latencyP95Ms),
      formatCostPerSuccess(arm.costNanoUsd, arm.successfulTurns),
    ]),
    // Without borders it fits 80 columns.
    false,
  );
}

/** Users count once; a success is a first request without a fault. */
function userTable({ baselineArm, canaryArm }: RolloutSpec, evidence: UserEvidence): string {
  const arms: readonly (readonly [string, UserTally])[] = [
    [baselineArm, evidence.baseline],
    [canaryArm, evidence.canary],
  ];
  return renderTable(
    [
      { title: 'in this bake' },
      { title: 'users', align: 'right' },
      { title: 'success (95%)', align: 'right' },
      { title: 'faulty', align: 'right' },
      { title: 'flagged', align: 'right' },
      { title: 'cost/success', align: 'right' },
    ],
    arms.map(([name, tally]) => [
      name,
      formatCount(tally.users),
      formatSuccessRate(tally.firstCalls - tally.firstCallFaults, tally.firstCalls),
      formatCount(tally.faultyUsers),
      formatCount(Object.values(tally.flaggedUsers).reduce((sum, users) => sum + users, 0)),
      formatCostPerSuccess(tally.costNanoUsd, tally.successfulTurns),
    ]),
    false,
  );
}

/** What does not stop the rollout, but is worth knowing. */
function noteLines(view: RolloutView, width: number): readonly string[] {
  const { spec, state, evidence } = view;
  const onesided = evidence === null ? [] : figuresOf(spec, evidence, state.percent).onesided;
  const findings = [...onesided, ...reportedFindings(view).map((finding) => `Only reported: ${finding}`)];
  return findings.flatMap((finding) => ['', ...wrapWords(finding, width, '  ').map(pc.yellow)]);
}

const barLength = 24;

function evidenceBar(advance: TestValue): string {
  const filled = Math.round(barLength * Math.min(1, Math.max(0, advance.value / advance.needed)));
  const paint = isReached(advance) ? pc.green : pc.cyan;
  return paint('█'.repeat(filled)) + pc.dim('░'.repeat(barLength - filled));
}

function missingLines({ state, outlook }: RolloutView, width: number): readonly string[] {
  if (outlook === null || state.phase === 'Promoting') return [];
  if (outlook.action === 'advance') return ['', '  Nothing is missing: the next analysis advances.'];
  if (outlook.action !== 'wait') {
    return ['', ...wrapWords(`An analysis now would ${outlook.action}: ${outlook.reason}`, width, '  ').map(pc.yellow)];
  }
  const missing = outlook.missing.flatMap((sentence) => wrapWords(sentence, width, '    ', '  - '));
  return ['', '  Missing for the next step:', ...missing];
}

function timeLines(view: RolloutView): readonly string[] {
  const { spec, state, atMs, analysisDueAtMs } = view;
  if (state.endedAtMs !== null) return [`  Ended ${formatMoment(state.endedAtMs, atMs)}.`];
  if (analysisDueAtMs === null) return [];
  const isLast = state.step >= spec.steps.length;
  const due = stepDueAtMs(spec, state);
  return [
    '',
    `  Next analysis  ${isOverdue(view) ? 'overdue, was due ' : ''}${formatMoment(analysisDueAtMs, atMs)}`,
    isLast
      ? `  Warm until     ${formatMoment(due, atMs)}: can be rolled back`
      : `  Step ends      ${formatMoment(due, atMs)} at the earliest`,
    ...(isLast ? [] : [`  Deadline       ${formatMoment(evidenceDueAtMs(spec, state), atMs)}: held without evidence`]),
  ];
}
