import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInputError } from '../client/errors';
import { rollBackInLedger } from '../client/rollback';
import type { RolloutClient } from '../client/rollout-client';
import type { RolloutCommandInput, RolloutSpec, RolloutState, TrafficSplit } from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { rolloutCommandProblem } from '../domain/rollout/validate-command';
import { idProblem } from '../domain/turn/validate-input';
import { buildSpec, findUnusedName } from './new-rollout';
import { findRollout } from './trail';
import type { RolloutView } from './view';
import { type RolloutWarning, warningsOf } from './warnings';

const hourMs = 60 * 60 * 1000;

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
 * Sends all users to the baseline of whatever routes turns, in whatever state: a rollout under way is rolled back. After one
 * that has ended, a new one is started in its place and rolled back at once, so that the audit trail tells this too.
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
  const split = await rollouts.split();
  if (split === null) throw new Error('No rollout has moved any users yet: all turns go to the default arm.');
  const { rollout, baselineArm: arm } = split;
  // A trail that cannot be read must not be in the way.
  const known = await findRollout(rollouts, rollout).catch(() => null);
  if (known?.state.endedAtMs === null) return { rollout, arm, changed: true, reason: (await rollBack(rollout)).reason };
  if (split.percent === 0 && !split.active) {
    return { rollout, arm, changed: false, reason: known?.state.message ?? `All users are on ${arm}.` };
  }
  const back = await beginInPlaceOf(rollouts, split, input);
  return { rollout: back, arm, changed: true, reason: (await rollBackInLedger(rollouts, back, input)).reason };
}

/** Begins a rollout of the same arms, so that it can be rolled back, and returns its name. */
async function beginInPlaceOf(
  rollouts: Rollouts,
  { rollout, baselineArm, canaryArm }: TrafficSplit,
  { actor }: RolloutCommandInput,
): Promise<string> {
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
  const occasion = { atMs: await rollouts.nowMs(), evidence: null, command: null };
  const recorded = await rollouts.record(
    { spec, decision: advanceRollout(spec, null, occasion), ...occasion },
    baselineArm,
  );
  if (recorded.kind === 'refused') throw new Error(`${recorded.field}: ${recorded.problem} (after ${rollout})`);
  return spec.name;
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
