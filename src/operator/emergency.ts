import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInputError, RolloutEndedError, RolloutRefusedError } from '../client/errors';
import type { RolloutClient } from '../client/rollout-client';
import type { RolloutCommandInput, RolloutSpec, RolloutState, TrafficSplit } from '../contract/rollout';
import { RolloutConflictError, type Rollouts } from '../contract/rollout-ledger';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { readCommand, rolloutCommandProblem } from '../domain/rollout/validate-command';
import type { RoutingPolicy } from '../domain/turn/routing';
import { idProblem } from '../domain/turn/validate-input';
import { buildSpec, findUnusedName } from './new-rollout';
import { findRollout } from './trail';
import type { RolloutView } from './view';
import { type RolloutWarning, warningsOf } from './warnings';

const hourMs = 60 * 60 * 1000;

/** Rollouts may end, and other operators act, after the ledger was read; three times in a row is no coincidence. */
const maxTries = 3;

/** Where all users are after `sendEverybodyBack`. */
export interface SentBack {
  /** The rollout that was rolled back, or is now; the audit trail has the reason under its name. */
  readonly rollout: string;
  /** The arm that all users have, apart from pinned ones. */
  readonly arm: string;
  readonly reason: string;
  /** False if they were there already. */
  readonly changed: boolean;
}

/**
 * Sends all users to the baseline of whatever routes turns, in whatever state: a rollout under way is rolled back. In place
 * of one that has ended, a new one is recorded and rolled back in the same transaction, so that the audit trail tells this
 * too and users are on no other split in between.
 * @param rollBack rolls back a rollout under way
 * @throws {InvalidInputError} names the field and the limit
 * @throws if there never was a rollout
 */
export async function sendEverybodyBack(
  rollouts: Rollouts,
  input: RolloutCommandInput,
  rollBack: (name: string) => Promise<{ readonly reason: string }>,
): Promise<SentBack> {
  const problem = rolloutCommandProblem(input);
  if (problem) throw new InvalidInputError([problem]);
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryToSendBack(rollouts, input, rollBack);
    } catch (error) {
      const isOvertaken = [RolloutEndedError, RolloutRefusedError, RolloutConflictError].some(
        (kind) => error instanceof kind,
      );
      if (!isOvertaken || tries === maxTries) throw error;
    }
  }
}

async function tryToSendBack(...[rollouts, input, rollBack]: Parameters<typeof sendEverybodyBack>): Promise<SentBack> {
  const split = await rollouts.split();
  if (split === null) throw new Error('No rollout has moved any users yet: all turns go to the default arm.');
  const { rollout, baselineArm: arm } = split;
  // A trail that cannot be read must not be in the way.
  const known = await findRollout(rollouts, rollout).catch(() => null);
  if (known?.state.endedAtMs === null) return { rollout, arm, changed: true, reason: (await rollBack(rollout)).reason };
  if (split.percent === 0 && !split.active) {
    return { rollout, arm, changed: false, reason: known?.state.message ?? `All users are on ${arm}.` };
  }
  return { arm, changed: true, ...(await rollBackInPlaceOf(rollouts, split, input)) };
}

/** Records a rollout of the same arms together with its rollback. */
async function rollBackInPlaceOf(
  rollouts: Rollouts,
  { rollout, baselineArm, canaryArm }: TrafficSplit,
  input: RolloutCommandInput,
): Promise<{ readonly rollout: string; readonly reason: string }> {
  const { actor, reason } = input;
  const spec = await buildSpec(
    {
      actor: actor !== undefined && idProblem(['actor'], actor) === null ? actor : 'operator',
      baselineArm,
      canaryArm,
      steps: [{ percent: 1, nominalEndMs: hourMs, minimumBakeMs: 0 }],
      takeOver: true,
    },
    { unusedName: () => findUnusedName(rollouts, 'back') },
  );
  const atMs = await rollouts.nowMs();
  const beginning = { atMs, evidence: null, command: null };
  const begun = advanceRollout(spec, null, beginning);
  const rollback = { atMs, evidence: null, command: readCommand('rollback', { actor, reason }) };
  const decision = advanceRollout(spec, begun.next, rollback);
  const recorded = await rollouts.recordBoth(
    { spec, decision: begun, ...beginning },
    { spec, decision, ...rollback },
    baselineArm,
  );
  if (recorded.kind === 'refused') {
    throw new RolloutRefusedError(`${recorded.field}: ${recorded.problem} (after ${rollout})`);
  }
  return { rollout: spec.name, reason: decision.reason };
}

/** Why users who were sent back to an arm do not have it, by the configuration of this machine; null if they do. */
export function missingArmProblem({ arms, defaultArm }: RoutingPolicy, arm: string): string | null {
  if (Object.hasOwn(arms, arm)) return null;
  return (
    `No arm named ${arm} is configured here, so its users go to the default arm, ${defaultArm}. Configure ${arm} for all ` +
    'workers again, or set defaultArm to an arm that works.'
  );
}

/** How many users have another arm than the given one whatever the split, because the configuration pins them to it. */
export function countPinnedElsewhere({ pinnedArms }: RoutingPolicy, arm: string): number {
  return [...pinnedArms.values()].filter((pinned) => pinned !== arm).length;
}

/** A rollout with one of these needs a workflow that goes on from the ledger. */
const adoptable: ReadonlySet<RolloutWarning['code']> = new Set([
  'no-workflow',
  'ledger-behind',
  'not-recorded',
  'overdue',
]);

/** A worker that runs takes a new workflow within a second; a busy one within some. */
const adoptionPatienceMs = 15_000;

/**
 * Gives a rollout a new workflow that continues from what the ledger says, in place of one that is gone or remembers
 * a different history. The first thing it does below 100% is to pause: what the ledger has forgotten may have been a hold.
 * @returns null if its workflow is well; otherwise what happened, and the state after it
 */
export async function adoptRollout(
  { rollouts, client }: { readonly rollouts: Rollouts; readonly client: RolloutClient },
  view: RolloutView,
  { actor = 'operator', reason }: RolloutCommandInput,
): Promise<{ readonly reason: string; readonly state: RolloutState } | null> {
  if (!warningsOf(view).some(({ code }) => adoptable.has(code))) return null;
  const { spec, state } = await findRollout(rollouts, view.spec.name);
  const why = `adopted after decision ${state.sequence}${reason === undefined ? '' : `: ${reason}`}`;
  await client.adopt(spec, state, { name: 'pause', actor, reason: why });
  const next = await untilNextRow(rollouts, spec, state);
  if (next !== null) return { reason: next.message, state: next };
  return {
    reason: `A new workflow continues from decision ${state.sequence} as soon as a worker runs. None is running yet.`,
    state,
  };
}

async function untilNextRow(
  rollouts: Rollouts,
  { name }: RolloutSpec,
  before: RolloutState,
): Promise<RolloutState | null> {
  const giveUpAtMs = performance.now() + adoptionPatienceMs;
  for (;;) {
    const { state } = await findRollout(rollouts, name);
    if (state.sequence > before.sequence) return state;
    if (performance.now() > giveUpAtMs) return null;
    await sleep(200);
  }
}
