import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributeNames } from '../contract/names';
import type { RolloutAnalysis, RolloutPhase, RolloutSpec, RolloutState } from '../contract/rollout';
import { describeAdvance, ratesOf } from '../domain/rollout/findings';
import { measure } from '../domain/rollout/evidence';

/** What the Temporal UI tells an operator of a rollout. */
export class ShownRollout {
  private word: RolloutPhase | 'Refused' | undefined;

  constructor(private readonly spec: RolloutSpec) {}

  update(state: RolloutState, lastAnalysis: RolloutAnalysis | null): void {
    setCurrentDetails(describe(this.spec, state, lastAnalysis));
    this.showWord(state.phase);
  }

  /** `state` is null when it never began. */
  refused(reason: string, state: RolloutState | null): void {
    const lines = ['**Refused**', '', reason];
    if (state !== null) lines.push('', ...reachedTable(state));
    setCurrentDetails(lines.join('\n'));
    this.showWord('Refused');
  }

  private showWord(word: RolloutPhase | 'Refused'): void {
    if (word === this.word) return;
    this.word = word;
    upsertSearchAttributes({
      [searchAttributeNames.state]: [word],
      [searchAttributeNames.arm]: [this.spec.canaryArm],
    });
  }
}

function describe(spec: RolloutSpec, state: RolloutState, lastAnalysis: RolloutAnalysis | null): string {
  const { phase, percent, step, message } = state;
  const place = step < spec.steps.length ? `, step ${step + 1} of ${spec.steps.length}` : '';
  const lines = [`**${phase}** at ${percent}% on ${spec.canaryArm}${place}`, '', message];
  const evidence = lastAnalysis?.evidence;
  if (evidence) {
    const { advance } = measure(evidence, spec.gates, percent);
    lines.push('', `${describeAdvance(advance, spec)}; in this bake: ${ratesOf(spec, evidence)}`);
  }
  return [...lines, '', ...reachedTable(state)].join('\n');
}

function reachedTable({ reached }: RolloutState): string[] {
  const rows = reached.map(
    ({ percent, startedAtMs, because }) => `| ${percent}% | ${new Date(startedAtMs).toISOString()} | ${because} |`,
  );
  return ['| split | since | why |', '| --- | --- | --- |', ...rows];
}
