import { Command } from 'commander';
import pc from 'picocolors';
import { InvalidInputError } from '../../client/errors';
import type { RolloutPhase } from '../../contract/rollout';
import { countPinnedElsewhere, missingArmProblem } from '../../operator/emergency';
import { withOperator } from '../../operator/rollout-operator';
import { writeJson, writeLines } from '../../terminal/output';
import { oneLine } from '../../terminal/format';
import { commandStatusHelp, exitStatus } from '../exit-status';
import { optionOfField, usageError } from '../options';
import { defaultActor, tellMissingArm, tellOutcome } from './operate';

interface EmergencyFlags {
  readonly actor: string;
  readonly reason?: string;
  readonly json?: boolean;
}

/** `bellwether rollout back`: whatever the state, all users go to the baseline. */
export function backCommand(): Command {
  return emergency('back', 'emergency: send everybody back to the baseline, whatever state the rollout is in').action(
    async (flags: EmergencyFlags) => {
      const { actor, reason, json } = flags;
      const { sent, policy } = await withOperator(async (operator, settings) => ({
        sent: await operator.sendEverybodyBack({ actor, reason }),
        policy: settings.policy,
      })).catch(inOptions);
      const problem = missingArmProblem(policy, sent.arm);
      if (problem !== null) process.exitCode = exitStatus.failed;
      const pinnedElsewhere = countPinnedElsewhere(policy, sent.arm);
      if (json) writeJson({ ...sent, pinnedElsewhere, problem });
      else if (problem !== null) tellMissingArm(problem, sent.rollout);
      else {
        const all = pinnedElsewhere === 0 ? 'All users' : `All users but ${pinnedElsewhere} pinned to another arm`;
        const now = sent.changed ? 'are now' : 'were already';
        writeLines([`✖ ${all} ${now} on ${sent.arm} (rollout ${sent.rollout}): ${oneLine(sent.reason)}`]);
      }
    },
  );
}

/** `bellwether rollout adopt`: a new workflow for a rollout whose own is gone, or remembers a different history. */
export function adoptCommand(): Command {
  return emergency('adopt', 'continue from what the ledger says, with a new workflow, and pause below 100%')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .action(async (name: string | undefined, { actor, reason, json }: EmergencyFlags) => {
      const outcome = await withOperator((operator) => operator.adopt(name, { actor, reason })).catch(inOptions);
      process.exitCode = tellOutcome('adopt', outcome, json ?? false);
      if (outcome.kind === 'accepted' && !json) {
        writeLines([pc.dim(afterAdoption(outcome.spec.name, outcome.state.phase))]);
      }
    });
}

/** What to do with an adopted rollout: it is paused, unless it was held, or has all traffic. */
export function afterAdoption(name: string, phase: RolloutPhase): string {
  if (phase === 'Promoting') {
    return `Nothing is paused at 100%: it succeeds once the warm time is over and no finding stands, unless you run: bellwether rollout rollback ${name}`;
  }
  const reason = phase === 'Held' ? ' --reason "…"' : '';
  return `When you have looked at it: bellwether rollout resume ${name}${reason}`;
}

function emergency(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--reason <text>', 'why; kept in the audit trail')
    .option('--actor <name>', 'who you are; kept in the audit trail', defaultActor())
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${commandStatusHelp}`);
}

function inOptions(error: unknown): never {
  throw error instanceof InvalidInputError ? usageError(error, optionOfField) : error;
}
