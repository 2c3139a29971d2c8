import { InvalidInputError } from '../client/errors';
import type { RolloutSpec } from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { rolloutPlans } from '../domain/rollout/plans';
import { type Replay, replayProblem, type ReplayedDecision, replayRollout } from '../domain/rollout/replay';
import { rolloutSpecProblem } from '../domain/rollout/validate';
import type { RolloutDraft } from './new-rollout';
import { readTrail } from './trail';
import { isoTime } from './view';

/**
 * Replays the named rollout, or the most recent one, with the given parts of its spec changed.
 * @throws {InvalidInputError} names the field and the limit, or says what the recorded evidence cannot tell
 */
export async function replayTrail(
  rollouts: Rollouts,
  name: string | undefined,
  draft: RolloutDraft,
): Promise<Replay & { readonly spec: RolloutSpec }> {
  const trail = await readTrail(rollouts, name);
  const recorded = trail[0]?.spec;
  if (recorded === undefined) throw new Error('A rollout has at least one entry.');
  const { plan, gates, ...fields } = draft;
  const planned = plan === undefined ? {} : rolloutPlans[plan];
  const spec: RolloutSpec = {
    ...recorded,
    ...planned,
    ...fields,
    name: recorded.name,
    gates: { ...recorded.gates, ...gates },
  };
  const problem = rolloutSpecProblem(spec) ?? replayProblem(recorded, spec);
  if (problem !== null) throw new InvalidInputError([problem]);
  return { spec, ...replayRollout(trail, spec) };
}

/** For scripts. */
export function replayAsJson({ spec, decisions, firstDivergence }: Replay & { readonly spec: RolloutSpec }): object {
  return {
    rollout: spec.name,
    spec,
    first_divergence: firstDivergence?.sequence ?? null,
    decisions: decisions.map(decisionAsJson),
  };
}

function decisionAsJson({ atMs, ...decision }: ReplayedDecision): object {
  return { at: isoTime(atMs), ...decision };
}
