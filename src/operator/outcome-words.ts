import type { CommandOutcome } from './rollout-operator';

/** What became of a command, in one or two sentences. */
export function reasonOfOutcome(outcome: CommandOutcome, command: string): string {
  if (outcome.kind === 'ended') return endedReason(outcome);
  const { name } = outcome.spec;
  if (outcome.kind === 'taken-over') {
    return `Rollout ${outcome.by} has taken over from ${name} and routes turns now: name that one, or send everybody back with \`bellwether rollout back\`.`;
  }
  if (outcome.kind !== 'no-workflow') return outcome.reason;
  return `No workflow runs ${name} any more, so it cannot ${command}. \`bellwether rollout adopt ${name}\` continues from what the ledger says, \`bellwether rollout rollback ${name}\` ends it.`;
}

function endedReason({ spec, state }: CommandOutcome): string {
  const { name, baselineArm, canaryArm } = spec;
  const instead =
    state.phase === 'Succeeded'
      ? `All traffic is on ${canaryArm}. To move it back: \`bellwether rollout start --from ${canaryArm} --to ${baselineArm}\`. To move it back at once: \`bellwether rollout back\`.`
      : `All traffic is on ${baselineArm}. To try again: \`bellwether rollout start --from ${baselineArm} --to ${canaryArm}\`.`;
  const when = new Date(state.endedAtMs ?? state.startedAtMs).toISOString().slice(0, 19).replace('T', ' ');
  return `${name} ended at ${when} UTC (${state.phase}): ${state.message} ${instead}`;
}

export const withoutWorkflowNote =
  'No workflow answered: the rollback was written straight into the ledger and applies from the next turn on.';
