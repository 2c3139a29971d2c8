import { type AuditRow, RolloutConflictError, type Rollouts } from '../contract/rollout-ledger';
import type { RolloutAnswer, RolloutCommandInput } from '../contract/rollout';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { readCommand, rolloutCommandProblem } from '../domain/rollout/validate-command';
import { entryOf } from '../domain/rollout/verify';
import { InvalidInputError, RolloutEndedError, RolloutNotFoundError } from './errors';

/** The result of a rollback. */
export interface RollbackAnswer extends RolloutAnswer {
  /** True when no workflow answered, so the rollback was written directly to the ledger. */
  readonly withoutWorkflow: boolean;
}

/** The workflow writes one row per analysis and command; more than five conflicts in a row are no coincidence. */
const maxConflicts = 5;

/**
 * Rolls back without a workflow or Temporal: it changes the traffic split and adds the audit row, and takes effect from
 * the next turn. A workflow that is still running sees the change and ends. Repeating a rollback changes nothing and
 * returns the same answer.
 * @throws {InvalidInputError} names the field and the limit
 * @throws {RolloutNotFoundError} the ledger has no rollout of this name
 * @throws {RolloutEndedError} it has succeeded, or another rollout has taken over: there is nothing left to roll back
 */
export async function rollBackInLedger(
  rollouts: Rollouts,
  name: string,
  input: RolloutCommandInput,
): Promise<RollbackAnswer> {
  const problem = rolloutCommandProblem(input);
  if (problem) throw new InvalidInputError([problem]);
  const command = readCommand('rollback', { actor: input.actor, reason: input.reason });
  for (let conflicts = 0; ; conflicts += 1) {
    const { spec, decision: last } = entryOf(await lastRow(rollouts, name));
    const state = last.next;
    if (state.phase === 'RolledBack') return { accepted: true, reason: state.message, state, withoutWorkflow: false };
    if (state.endedAtMs !== null) {
      throw new RolloutEndedError(`Rollout ${name} has ended (${state.phase}); there is nothing left to roll back.`);
    }
    const occasion = { atMs: await rollouts.nowMs(), evidence: null, command };
    const decision = advanceRollout(spec, state, occasion);
    try {
      // The default arm matters only for a rollout's first entry.
      await rollouts.record({ spec, decision, ...occasion }, spec.baselineArm);
      return { accepted: true, reason: decision.reason, state: decision.next, withoutWorkflow: true };
    } catch (error) {
      if (!(error instanceof RolloutConflictError)) throw error;
      const isTakenOver = (await rollouts.split())?.rollout !== name;
      if (isTakenOver) throw new RolloutEndedError(error.message, { cause: error });
      // The workflow recorded another decision in between: decide again on top of it.
      if (conflicts >= maxConflicts) throw error;
    }
  }
}

async function lastRow(rollouts: Rollouts, name: string): Promise<AuditRow> {
  const row = await rollouts.lastAuditRow(name);
  if (row === null) throw new RolloutNotFoundError(`The ledger has no rollout named ${name}.`);
  return row;
}
