import os from 'node:os';
import { Command } from 'commander';
import pc from 'picocolors';
import type { RolloutAnswer, RolloutCommandInput, RolloutCommandName } from '../../contract/rollout';
import { advanceRollout } from '../../domain/rollout/advance-rollout';
import { rolloutCommandProblem } from '../../domain/rollout/validate';
import type { Rollouts } from '../../contract/rollout-ledger';
import { commandStatusHelp, exitStatus, UsageError } from '../exit-status';
import { inOptions, optionOfField } from '../options';
import { writeJson, writeLines } from '../../terminal/output';
import { withOperator } from '../../operator/liveness';
import { findRollout, type KnownRollout, useLedger } from '../../operator/rollout-ledger';
import { statusLine } from './status';
import { formatTime, oneLine } from '../../terminal/format';

interface OperateFlags {
  readonly actor: string;
  readonly reason?: string;
  readonly full?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** What became of a command; `note` is for a person to know beside it. */
interface Outcome extends RolloutAnswer {
  readonly rollout: KnownRollout;
  readonly note?: string;
}

export function promoteCommand(): Command {
  return operate('promote', 'go to the next step, if the evidence allows it')
    .option('--full', 'skip the remaining steps')
    .option('--force', 'although the evidence does not say so; needs a reason');
}

export function pauseCommand(): Command {
  return operate('pause', 'stop advancing; a breach still rolls back');
}

export function resumeCommand(): Command {
  return operate('resume', 'go on after a pause or, with a reason, after a hold');
}

export function rollbackCommand(): Command {
  return operate('rollback', 'send all traffic back, from the next turn on; also when no workflow runs any more');
}

/** The login name: commands are kept with it. */
export function defaultActor(): string {
  try {
    return os.userInfo().username;
  } catch {
    // A container may run as a user that has no name.
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
      process.exitCode = tell(await carryOut(command, name, flags), flags.json ?? false);
    });
}

async function carryOut(
  command: RolloutCommandName,
  name: string | undefined,
  { actor, reason, full, force }: OperateFlags,
): Promise<Outcome> {
  const input: RolloutCommandInput = { actor, reason, full, force };
  const problem = rolloutCommandProblem(input);
  if (problem) throw new UsageError(inOptions(problem, optionOfField));

  return useLedger(async (ledger, { policy }) => {
    const known = await findRollout(ledger.rollouts, name);
    if (known.state.endedAtMs !== null) return { ...refusedAsEnded(known), rollout: known };
    // So that two operators who both saw 10% do not promote by two steps.
    const seen = command === 'promote' ? { ...input, seenPercent: known.state.percent } : input;
    try {
      const answer = await askWorkflow(known.spec.name, command, seen);
      if (answer !== null) return { ...answer, rollout: known };
      if (command !== 'rollback') return { ...refusedWithoutWorkflow(known, command), rollout: known };
    } catch (error) {
      const now = await findRollout(ledger.rollouts, known.spec.name);
      if (now.state.endedAtMs !== null && command !== 'rollback') return { ...refusedAsEnded(now), rollout: now };
      if (command !== 'rollback') throw error;
    }
    return rollBackInLedger(ledger.rollouts, known.spec.name, policy.defaultArm, input);
  });
}

/** A worker that takes over from a dead one needs some 10 s; whoever rolls back cannot wait for much more. */
const rollbackPatience = { connectTimeoutMs: 5_000, deadlineMs: 15_000 };

/** Null when no workflow runs behind the rollout. */
function askWorkflow(
  rollout: string,
  command: RolloutCommandName,
  input: RolloutCommandInput,
): Promise<RolloutAnswer | null> {
  return withOperator(
    async (client) => {
      const isRunning = (await client.execution(rollout)) === 'running';
      return isRunning ? client.command(rollout, command, input) : null;
    },
    command === 'rollback' ? rollbackPatience : {},
  );
}

function refusedAsEnded({ spec, state }: KnownRollout): RolloutAnswer {
  const { name, baselineArm, canaryArm } = spec;
  const instead =
    state.phase === 'Succeeded'
      ? `All traffic is on ${canaryArm}. To move it back: \`bellwether rollout start --from ${canaryArm} --to ${baselineArm}\`; at once: the same the other way round with --take-over, then roll that back.`
      : `All traffic is on ${baselineArm}. To try again: \`bellwether rollout start --from ${baselineArm} --to ${canaryArm}\`.`;
  const when = formatTime(state.endedAtMs ?? state.startedAtMs);
  return { accepted: false, reason: `${name} ended at ${when} (${state.phase}): ${state.message} ${instead}`, state };
}

function refusedWithoutWorkflow({ spec, state }: KnownRollout, command: RolloutCommandName): RolloutAnswer {
  return {
    accepted: false,
    reason: `No workflow runs behind ${spec.name} any more, so it cannot ${command}. \`bellwether rollout rollback ${spec.name}\` ends it; \`rollout start --take-over\` begins a new one.`,
    state,
  };
}

const maxConflicts = 5;

/**
 * A rollback must work whatever has become of the workflow: it is written where turns are routed from. A workflow that
 * still runs finds it there and ends.
 */
async function rollBackInLedger(
  rollouts: Rollouts,
  name: string,
  defaultArm: string,
  { actor = '', reason }: RolloutCommandInput,
): Promise<Outcome> {
  const command = { name: 'rollback', actor, ...(reason !== undefined && { reason }) } as const;
  for (let conflicts = 0; ; conflicts += 1) {
    const known = await findRollout(rollouts, name);
    const { spec, state } = known;
    // The workflow was quicker than its answer.
    if (state.phase === 'RolledBack') return { accepted: true, reason: state.message, state, rollout: known };
    if (state.endedAtMs !== null) return { ...refusedAsEnded(known), rollout: known };
    const occasion = { atMs: Date.now(), evidence: null, command };
    const decision = advanceRollout(spec, state, occasion);
    try {
      await rollouts.record({ spec, decision, ...occasion }, defaultArm);
    } catch (error) {
      // The workflow decides something else at this very moment: the rollback follows it.
      const isConflict = error instanceof Error && error.name === 'RolloutConflictError';
      if (!isConflict || conflicts >= maxConflicts || (await rollouts.split())?.rollout !== name) throw error;
      continue;
    }
    const note =
      'No workflow answered: the rollback was written straight into the ledger, and holds from the next turn on.';
    return { accepted: true, reason: decision.reason, state: decision.next, note, rollout: known };
  }
}

function tell({ accepted, reason, state, note, rollout }: Outcome, json: boolean): number {
  const { phase, percent } = state;
  if (json) writeJson({ rollout: rollout.spec.name, accepted, reason, phase, percent, note: note ?? null });
  else if (!accepted) process.stderr.write(`${pc.red('Refused:')} ${oneLine(reason)}\n`);
  else writeLines([...(note === undefined ? [] : [pc.yellow(note)]), statusLine({ spec: rollout.spec, state })]);
  return accepted ? exitStatus.ok : exitStatus.failed;
}
