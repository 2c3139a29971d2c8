import type { AnyEvidence, RolloutSpec } from '../../contract/rollout';
import { ofRequests, ofUsers, requestsOf } from '../../domain/rollout/evidence';
import { formatCostPerSuccess, formatCount, formatLatency, formatSuccessRate } from '../../terminal/format';
import { renderTable } from '../../terminal/output';

/** Both arms side by side, in what the rollout's rule counts: users or requests. Fits 80 columns. */
export function armTable({ baselineArm, canaryArm }: RolloutSpec, evidence: AnyEvidence): readonly string[] {
  const byUsers = ofUsers(evidence);
  const byRequests = ofRequests(evidence);
  if (byUsers !== null) {
    return table(
      ['users', 'first call (95%)', 'with a fault', 'declined', 'cost/success'],
      (
        [
          [baselineArm, byUsers.baseline],
          [canaryArm, byUsers.canary],
        ] as const
      ).map(([name, arm]) => [
        name,
        formatCount(arm.users),
        formatSuccessRate(arm.firstCalls - arm.firstCallFaults, arm.firstCalls),
        formatCount(arm.faultyUsers),
        formatCount(arm.declinedUsers),
        formatCostPerSuccess(arm.costNanoUsd, arm.successfulTurns),
      ]),
    );
  }
  if (byRequests === null) return [];
  return table(
    ['requests', 'success (95%)', 'mean', 'p95', 'cost/success'],
    (
      [
        [baselineArm, byRequests.baseline],
        [canaryArm, byRequests.canary],
      ] as const
    ).map(([name, arm]) => [
      name,
      formatCount(requestsOf(arm)),
      formatSuccessRate(arm.successes, requestsOf(arm)),
      formatLatency(arm.latencyMeanMs),
      formatLatency(arm.latencyP95Ms),
      formatCostPerSuccess(arm.costNanoUsd, arm.successfulTurns),
    ]),
  );
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const columns = [{ title: 'in this bake' }, ...titles.map((title) => ({ title, align: 'right' as const }))];
  return renderTable(columns, rows, false).split('\n');
}
