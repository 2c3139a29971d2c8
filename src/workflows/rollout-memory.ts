import { ApplicationFailure, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributeNames } from '../contract/names';
import type {
  CanaryRolloutInput,
  RolloutAnalysis,
  RolloutPhase,
  RolloutResult,
  RolloutSpec,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
import { nextAnalysisAtMs } from '../domain/rollout/clock';
import { measure } from '../domain/rollout/evidence';
import { describeAdvance, ratesOf } from '../domain/rollout/findings';

/** All that a rollout's workflow knows; whatever changes is shown to operators at once. */
export class RolloutMemory {
  private current: RolloutState | null;
  private lastAnalysis: RolloutAnalysis | null;
  private refusal: ApplicationFailure | null = null;
  private readonly shown: ShownRollout;

  constructor(
    private readonly spec: RolloutSpec,
    carried: CanaryRolloutInput['carried'],
  ) {
    this.shown = new ShownRollout(spec);
    this.current = carried?.state ?? null;
    this.lastAnalysis = carried?.lastAnalysis ?? null;
    if (this.current) this.shown.update(this.current, this.lastAnalysis);
  }

  get hasBegun(): boolean {
    return this.current !== null;
  }

  get hasEnded(): boolean {
    return this.current !== null && this.current.endedAtMs !== null;
  }

  get isRefused(): boolean {
    return this.refusal !== null;
  }

  /** @throws {ApplicationFailure} before it has begun; `RolloutRefused` when it never will */
  get state(): RolloutState {
    if (this.current !== null) return this.current;
    if (this.refusal !== null) throw this.refusal;
    throw ApplicationFailure.retryable(
      `Rollout ${this.spec.name} has not begun yet: its first decision is not in the ledger.`,
    );
  }

  /** To be called once the ledger knows it. */
  enter(state: RolloutState, analysis: RolloutAnalysis | null = this.lastAnalysis): void {
    this.current = state;
    this.lastAnalysis = analysis;
    this.shown.update(state, analysis);
  }

  /** The ledger lets it decide nothing, or nothing any more. */
  refuse(failure: ApplicationFailure): void {
    this.refusal = failure;
    this.shown.refused(failure.message, this.current);
  }

  /** Milliseconds since 1970. */
  nextAnalysisAtMs(): number {
    return nextAnalysisAtMs(this.spec, this.state, this.lastAnalysis?.atMs ?? this.state.startedAtMs);
  }

  /** @throws like `state` */
  status(): RolloutStatus {
    const { spec, state, lastAnalysis, refusal } = this;
    const goesOn = state.endedAtMs === null && refusal === null;
    return {
      spec,
      state: refusal === null ? state : { ...state, message: refusal.message },
      lastAnalysis,
      nextAnalysisAtMs: goesOn ? this.nextAnalysisAtMs() : null,
    };
  }

  result(): RolloutResult {
    const { phase, message, reached } = this.state;
    return { phase: phase === 'Succeeded' ? phase : 'RolledBack', reason: message, reached };
  }

  carry(): NonNullable<CanaryRolloutInput['carried']> {
    return { state: this.state, lastAnalysis: this.lastAnalysis };
  }
}

/** What the Temporal UI tells an operator of a rollout. */
class ShownRollout {
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
