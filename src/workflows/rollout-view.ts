import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributeNames } from '../contract/names';
import type { RolloutAnalysis, RolloutPhase, RolloutSpec, RolloutState } from '../contract/rollout';
import { describeAdvance, ratesOf } from '../domain/rollout/findings';
import { measure } from '../domain/rollout/evidence';

/** What the Temporal UI tells an operator of a rollout. */
export class ShownRollout {
  private phase: RolloutPhase | undefined;

  update(spec: RolloutSpec, state: RolloutState, lastAnalysis: RolloutAnalysis | null): void {
    setCurrentDetails(describe(spec, state, lastAnalysis));
    if (state.phase === this.phase) return;
    this.phase = state.phase;
    upsertSearchAttributes({
      [searchAttributeNames.state]: [state.phase],
      [searchAttributeNames.arm]: [spec.canaryArm],
    });
  }
}

function describe(spec: RolloutSpec, state: RolloutState, lastAnalysis: RolloutAnalysis | null): string {
  const { phase, percent, step, message, reached } = state;
  const place = step < spec.steps.length ? `, step ${step + 1} of ${spec.steps.length}` : '';
  const lines = [`**${phase}** at ${percent}% on ${spec.canaryArm}${place}`, '', message];
  const evidence = lastAnalysis?.evidence;
  if (evidence) {
    const { advance } = measure(evidence, spec.gates, percent);
    lines.push('', `${describeAdvance(advance, spec)}; in this bake: ${ratesOf(spec, evidence)}`);
  }
  const rows = reached.map(
    ({ percent: to, startedAtMs, because }) => `| ${to}% | ${new Date(startedAtMs).toISOString()} | ${because} |`,
  );
  return [...lines, '', '| split | since | why |', '| --- | --- | --- |', ...rows].join('\n');
}
