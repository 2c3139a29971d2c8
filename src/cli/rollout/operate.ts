import os from 'node:os';
import { Command } from 'commander';
import pc from 'picocolors';
import { InvalidInputError } from '../../client/errors';
import type { Policy } from '../../contract/policy';
import type { RolloutCommandName } from '../../contract/rollout';
import { commandStatusHelp, exitStatus } from '../exit-status';
import { optionOfField, parseMoment, usageError } from '../options';
import { writeJson, writeLines } from '../../terminal/output';
import { missingArmProblem } from '../../operator/emergency';
import { reasonOfOutcome, withoutWorkflowNote } from '../../operator/outcome-words';
import { type CommandOutcome, withOperator } from '../../operator/rollout-operator';
import { statusLine } from './status';
import { oneLine } from '../../terminal/format';

interface OperateFlags {
  readonly actor: string;
  readonly reason?: string;
  readonly full?: boolean;
  readonly force?: boolean;
  readonly from?: number;
  readonly to?: number;
  readonly json?: boolean;
}

export function promoteCommand(): Command {
  return operate('promote', 'go to the next step, if the evidence allows it')
    .option('--full', 'skip the remaining steps')
    .option('--force', 'override the evidence; needs --reason');
}

export function pauseCommand(): Command {
  return operate('pause', 'stop advancing; a breach still rolls back');
}

export function resumeCommand(): Command {
  return operate('resume', 'continue after a pause or, with --reason, after a hold');
}

export function rollbackCommand(): Command {
  return operate('rollback', 'send all traffic back, from the next turn on; works even if no workflow runs any more');
}

export function excludeCommand(): Command {
  return operate(
    'exclude',
    'leave the users of a period, such as an outage elsewhere, out of the evidence; needs --reason',
  )
    .requiredOption('--from <time>', 'start of the period, such as 2026-11-27T09:00:00Z', parseMoment)
    .requiredOption('--to <time>', 'its end, not in the future; 7 days at most', parseMoment);
}

/** The login name, which is recorded with each command. */
export function defaultActor(): string {
  try {
    return os.userInfo().username;
  } catch {
    // A container may run as a user without a name.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

function operate(command: RolloutCommandName, description: string): Command {
  return new Command(command)
    .description(description)
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--reason <text>', 'why; kept in the audit trail')
    .option('--actor <name>', 'who you are; kept in the audit trail', defaultActor())
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${commandStatusHelp}`)
    .action(async (name: string | undefined, flags: OperateFlags) => {
      const { outcome, policy } = await carryOut(command, name, flags);
      const isRolledBack = command === 'rollback' && outcome.kind === 'accepted';
      const problem = isRolledBack ? missingArmProblem(policy, outcome.spec.baselineArm) : null;
      process.exitCode = tellOutcome(command, outcome, flags.json ?? false, problem);
      if (problem === null) return;
      if (!flags.json) tellMissingArm(problem, outcome.spec.name);
      process.exitCode = exitStatus.failed;
    });
}

async function carryOut(
  command: RolloutCommandName,
  name: string | undefined,
  { actor, reason, full, force, from, to }: OperateFlags,
): Promise<{ readonly outcome: CommandOutcome; readonly policy: Policy }> {
  const input = { actor, reason, full, force, fromMs: from, toMs: to };
  try {
    return await withOperator(async (operator, { policy }) => ({
      outcome: await operator.command(name, command, input),
      policy,
    }));
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw usageError(error, optionOfField);
  }
}

/** A rollback was recorded, but does not help the users. */
export function tellMissingArm(problem: string, rollout: string): void {
  process.stderr.write(
    `${pc.red('The users are not back:')} ${problem} The rollback is recorded (rollout ${rollout}).\n`,
  );
}

/**
 * Prints what became of a command and returns the exit status.
 * @param problem why an accepted command does not help, for the JSON
 */
export function tellOutcome(
  command: string,
  outcome: CommandOutcome,
  json: boolean,
  problem: string | null = null,
): number {
  const { spec, state } = outcome;
  const accepted = outcome.kind === 'accepted';
  const reason = reasonOfOutcome(outcome, command);
  const note = accepted && outcome.withoutWorkflow ? withoutWorkflowNote : null;
  const { phase, percent } = state;
  if (json) writeJson({ rollout: spec.name, accepted, reason, phase, percent, note, problem });
  else if (!accepted) process.stderr.write(`${pc.red('Refused:')} ${oneLine(reason)}\n`);
  else writeLines([...(note === null ? [] : [pc.yellow(note)]), statusLine({ spec, state })]);
  return accepted ? exitStatus.ok : exitStatus.failed;
}
