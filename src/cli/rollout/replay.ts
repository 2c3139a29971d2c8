import { Command } from 'commander';
import pc from 'picocolors';
import { InvalidInputError } from '../../client/errors';
import type { Replay, ReplayedDecision } from '../../domain/rollout/replay';
import { replayAsJson, replayTrail } from '../../operator/replay';
import { withOperator } from '../../operator/rollout-operator';
import { formatTime, oneLine } from '../../terminal/format';
import { renderTable, writeJson, writeLines } from '../../terminal/output';
import { UsageError, exitStatusHelp } from '../exit-status';
import { describeProblem } from '../../contract/problem';
import { nameInFile, readSpecFile } from './spec-file';

interface ReplayFlags {
  readonly spec: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `bellwether rollout replay`: what another spec would have decided from the recorded evidence. */
export function replayCommand(): Command {
  return new Command('replay')
    .description('decide a recorded rollout again under another spec, side by side with what was decided')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .requiredOption('--spec <file>', 'what to change of the rollout’s spec: YAML or JSON, as for `start`')
    .option('--all', 'include analyses that waited under both')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async (name: string | undefined, { spec: file, all, json }: ReplayFlags) => {
      const draft = readSpecFile(file);
      const replay = await withOperator(({ rollouts }) => replayTrail(rollouts, name, draft)).catch(
        (error: unknown) => {
          if (!(error instanceof InvalidInputError)) throw error;
          const problems = error.problems.map((problem) => describeProblem(problem, (path) => `${nameInFile(path)}:`));
          throw new UsageError(problems.join('\n'), { cause: error });
        },
      );
      if (json) writeJson(replayAsJson(replay));
      else writeLines(asText(replay, all ?? false));
    });
}

function asText({ decisions, firstDivergence }: Replay, all: boolean): readonly string[] {
  const shown = decisions.filter((one) => all || one === firstDivergence || !isQuiet(one));
  const table = renderTable(
    [{ title: '#', align: 'right' }, { title: 'when' }, { title: 'recorded' }, { title: 'with this spec' }],
    shown.map((one) => [
      `${one.sequence}${one === firstDivergence ? '*' : ''}`,
      formatTime(one.atMs),
      verdict(one.recorded, one.command),
      verdict(one.replayed, one.command),
    ]),
  );
  return [table, '', ...conclusion(decisions, firstDivergence)];
}

function isQuiet({ recorded, replayed }: ReplayedDecision): boolean {
  return recorded.action === 'wait' && replayed.action === 'wait';
}

function verdict({ action, phase, percent }: ReplayedDecision['recorded'], command: string | null): string {
  return `${command === null ? '' : `${command}: `}${action}, ${phase} at ${percent}%`;
}

function conclusion(decisions: readonly ReplayedDecision[], divergence: ReplayedDecision | null): readonly string[] {
  const last = decisions.at(-1);
  if (divergence === null || last === undefined) {
    return [pc.green(`All ${decisions.length} decisions come out the same.`)];
  }
  const { sequence, atMs, recorded, replayed } = divergence;
  return [
    pc.yellow(`* The first divergence is decision ${sequence}, ${formatTime(atMs)}:`),
    `  recorded        ${recorded.action}: ${oneLine(recorded.reason)}`,
    `  with this spec  ${replayed.action}: ${oneLine(replayed.reason)}`,
    'What follows it is counterfactual: the evidence was collected under the recorded split.',
    `At the end: recorded ${last.recorded.phase} at ${last.recorded.percent}%, with this spec ${last.replayed.phase} at ${last.replayed.percent}%.`,
  ];
}
