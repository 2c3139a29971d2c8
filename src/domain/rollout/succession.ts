import type { RolloutState } from '../../contract/rollout';

/**
 * Why a state cannot follow from the one before it in the audit trail, whatever the rule; null if it can. It catches a
 * workflow that remembers a different history than the ledger's, before that moves traffic.
 */
export function successionProblem(before: RolloutState, next: RolloutState): string | null {
  const from = placeOf(before);
  const to = placeOf(next);
  if (before.endedAtMs !== null && next.endedAtMs !== before.endedAtMs) {
    return `the rollout had ended ${from}, and it would go on ${to}`;
  }
  if (next.startedAtMs !== before.startedAtMs) return 'it belongs to a rollout that started at another time';
  if (next.bake === before.bake && next.percent === before.percent) return null;
  if (next.bake === before.bake + 1) return null;
  return `the rollout stands ${from}, and this would put it ${to}`;
}

function placeOf({ percent, bake }: RolloutState): string {
  return `at ${percent}% in bake ${bake}`;
}
