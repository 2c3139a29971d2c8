import { Command } from 'commander';
import pc from 'picocolors';
import type { Evidence, RolloutSpec, RolloutState } from '../../contract/rollout';
import { isReached, measure, type TestValue } from '../../domain/rollout/evidence';
import { findingsOf, ratesOf } from '../../domain/rollout/findings';
import { formatUsd, toUsd } from '../../domain/turn/prices';
import { exitStatusHelp } from '../exit-status';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { readTrail, type TrailEntry, useLedger } from '../../operator/rollout-ledger';
import { isoTime } from '../../operator/rollout-view';
import { formatTime, oneLine } from '../../terminal/format';

/** One thing that the rule looks at. */
interface Measured {
  readonly measure: string;
  /** What it means when it is reached. */
  readonly meaning: string;
  readonly value: number | null;
  readonly needed: number | null;
  readonly reached: boolean;
  /** `5.1 of 6.9`. */
  readonly text: string;
}

interface Explanation {
  readonly entry: TrailEntry;
  /** The entry whose evidence is shown: the last one that saw any; null when none has. */
  readonly seen: TrailEntry | null;
  readonly measures: readonly Measured[];
  readonly findings: readonly string[];
  /** What the last analysis found missing for the next step, as far as that still holds. */
  readonly missing: readonly string[];
}

/** `bellwether rollout explain`: why the last decision fell as it did. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('say why the last decision fell as it did, and what is missing for the next step')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const explanation = explain(await useLedger(({ rollouts }) => readTrail(rollouts, name)));
      if (json) writeJson(asJson(explanation));
      else writeLines(asText(explanation));
    });
}

export function explain(trail: readonly TrailEntry[]): Explanation {
  const entry = trail.at(-1);
  if (entry === undefined) throw new Error('A rollout has at least one entry.');
  const seen = trail.findLast(({ evidence, before }) => evidence !== null && before !== null) ?? null;
  const missing = missingNow(trail, entry.decision.next);
  if (!seen?.evidence || seen.before === null) return { entry, seen: null, measures: [], findings: [], missing };
  const { blind, breach, worse, alarms } = findingsOf(seen.spec, seen.before, seen.evidence, seen.atMs);
  const findings = [blind, breach, worse, ...alarms].filter((finding) => finding !== null);
  return { entry, seen, measures: measuresOf(seen.spec, seen.before, seen.evidence), findings, missing };
}

/** Commands say nothing of it; one that led to another bake or phase has made an end of what was missing before. */
function missingNow(trail: readonly TrailEntry[], { endedAtMs, bake, phase }: RolloutState): readonly string[] {
  const analysis = trail.findLast(({ command, before }) => command === null && before !== null)?.decision;
  const holds = endedAtMs === null && analysis?.next.bake === bake && analysis.next.phase === phase;
  return holds ? analysis.missing : [];
}

function measuresOf(spec: RolloutSpec, before: RolloutState, evidence: Evidence): readonly Measured[] {
  const { baselineArm, canaryArm, gates } = spec;
  const { advance, breach, worse, slower, wrongShare, cost } = measure(evidence, gates, before.percent);
  return [
    tested('E, to advance', `${canaryArm} is as good as expected`, advance),
    tested('D, breach', `${canaryArm} fails more than it may`, breach),
    tested('worse', `${canaryArm} fails more than ${baselineArm}`, worse),
    tested('slower', `${canaryArm} is slower than ${gates.maxLatencyPercent ?? '–'}% of ${baselineArm}`, slower),
    tested('wrong share', 'users are not split as told', wrongShare),
    {
      measure: 'cost',
      meaning: `a successful turn of ${canaryArm} costs more than it may`,
      value: cost === null ? null : toUsd(Math.round(cost.perSuccess)),
      needed: cost === null ? null : toUsd(Math.round(cost.limit)),
      reached: cost !== null && cost.perSuccess > cost.limit,
      text:
        cost === null
          ? notMeasured
          : `${formatUsd(Math.round(cost.perSuccess))} of ${formatUsd(Math.round(cost.limit))}`,
    },
  ];
}

const notMeasured = 'no guard, or too little data';

function tested(name: string, meaning: string, test: TestValue | null): Measured {
  return {
    measure: name,
    meaning,
    value: test?.value ?? null,
    needed: test?.needed ?? null,
    reached: test !== null && isReached(test),
    text: test === null ? notMeasured : `${test.value.toFixed(2)} of ${test.needed.toFixed(2)}`,
  };
}

export function asText({ entry, seen, measures, findings, missing }: Explanation): readonly string[] {
  const { row, decision, spec } = entry;
  const head = [
    pc.bold(
      `${spec.name}: decision ${row.sequence}, ${formatTime(row.atMs)}, by ${oneLine(row.actor)}: ${decision.action}`,
    ),
    `  ${oneLine(row.reason)}`,
  ];
  return [
    ...head,
    ...(seen === null ? ['', 'No decision has seen any evidence yet.'] : evidenceText(entry, seen, measures)),
    ...(findings.length === 0 ? [] : ['', 'Findings:', ...findings.map((finding) => `  - ${finding}`)]),
    ...(missing.length === 0 ? [] : ['', 'Missing for the next step:', ...missing.map((what) => `  - ${what}`)]),
    // An operator may have forced a step that the evidence did not ask for.
    ...(entry.command === null && decision.action === 'advance' ? ['', 'Nothing was missing.'] : []),
  ];
}

function evidenceText(entry: TrailEntry, seen: TrailEntry, measures: readonly Measured[]): readonly string[] {
  const { evidence, before, spec, row } = seen;
  if (evidence === null || before === null) return [];
  const which = seen === entry ? 'It saw' : `The last evidence, seen by decision ${row.sequence}`;
  const table = renderTable(
    [{ title: 'measure' }, { title: 'value', align: 'right' }, { title: 'reached' }, { title: 'means' }],
    measures.map(({ measure: name, text, reached, meaning }) => [name, text, reached ? 'yes' : 'no', meaning]),
  );
  return ['', `${which}: in bake ${evidence.bake}, at ${before.percent}%: ${ratesOf(spec, evidence)}.`, table];
}

function asJson({ entry, seen, measures, findings, missing }: Explanation): object {
  return {
    rollout: entry.spec.name,
    sequence: entry.row.sequence,
    at: isoTime(entry.row.atMs),
    actor: entry.row.actor,
    action: entry.decision.action,
    reason: entry.row.reason,
    missing,
    findings,
    evidence_sequence: seen?.row.sequence ?? null,
    measures: measures.map(({ measure: name, value, needed, reached }) => ({ measure: name, value, needed, reached })),
    evidence: seen?.evidence ?? null,
  };
}
