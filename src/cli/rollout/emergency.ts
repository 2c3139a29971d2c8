import { Command } from 'commander';
import pc from 'picocolors';
import { InvalidInputError } from '../../client/errors';
import type { RolloutPhase } from '../../contract/rollout';
import { withOperator } from '../../operator/rollout-operator';
import { writeJson, writeLines } from '../../terminal/output';
import { oneLine } from '../../terminal/format';
import { commandStatusHelp } from '../exit-status';
import { optionOfField, usageError } from '../options';
import { defaultActor, tellOutcome } from './operate';

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
      const sent = await withOperator((operator) => operator.sendEverybodyBack({ actor, reason })).catch(inOptions);
      if (json) writeJson(sent);
      else {
        const now = sent.changed ? 'are now' : 'were already';
        writeLines([`✖ All users ${now} on ${sent.arm} (rollout ${sent.rollout}): ${oneLine(sent.reason)}`]);
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
