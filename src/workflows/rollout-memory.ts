import { ApplicationFailure, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributeNames } from '../contract/names';
import type {
  CanaryRolloutInput,
  RolloutAnalysis,
  RolloutCommand,
  RolloutPhase,
  RolloutResult,
  RolloutSpec,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
import { nextAnalysisAtMs } from '../domain/rollout/clock';
import { figuresOf } from '../domain/rollout/figures';
import { tableCell } from './operator-view';

/** The state of a rollout's workflow. Every change is shown to operators immediately. */
export class RolloutMemory {
  private current: RolloutState | null;
  private lastAnalysis: RolloutAnalysis | null;
  private refusal: ApplicationFailure | null = null;
  private readonly display: RolloutDisplay;

  constructor(
    private readonly spec: RolloutSpec,
    carried: CanaryRolloutInput['carried'],
  ) {
    this.display = new RolloutDisplay(spec);
    this.current = carried?.state ?? null;
    this.lastAnalysis = carried?.lastAnalysis ?? null;
    if (this.current) this.display.update(this.current, this.lastAnalysis);
  }

  get hasStarted(): boolean {
    return this.current !== null;
  }

  get hasEnded(): boolean {
    return this.current !== null && this.current.endedAtMs !== null;
  }

  get isRefused(): boolean {
    return this.refusal !== null;
  }

  /** @throws {ApplicationFailure} before the rollout has started; of type `RolloutRefused` if it never will */
  get state(): RolloutState {
    if (this.current !== null) return this.current;
    if (this.refusal !== null) throw this.refusal;
    throw ApplicationFailure.retryable(
      `Rollout ${this.spec.name} has not started yet: its first decision is not in the ledger. Try again in a few seconds.`,
    );
  }

  /** Call this once the state is recorded in the ledger. */
  enter(state: RolloutState, analysis: RolloutAnalysis | null = this.lastAnalysis): void {
    this.current = state;
    this.lastAnalysis = analysis;
    this.display.update(state, analysis);
  }

  /** The ledger refused the rollout, at its start or later. */
  refuse(failure: ApplicationFailure): void {
    this.refusal = failure;
    this.display.refused(failure.message, this.current);
  }

  /** Milliseconds since 1970. */
  nextAnalysisAtMs(): number {
    return nextAnalysisAtMs(this.spec, this.state, this.lastAnalysis?.atMs ?? this.state.startedAtMs);
  }

  /** @throws the same errors as `state` */
  status(): RolloutStatus {
    const { spec, state, lastAnalysis, refusal } = this;
    const isActive = state.endedAtMs === null && refusal === null;
    return {
      spec,
      state: refusal === null ? state : { ...state, message: refusal.message },
      lastAnalysis,
      nextAnalysisAtMs: isActive ? this.nextAnalysisAtMs() : null,
    };
  }

  result(): RolloutResult {
    const { phase, message, reached } = this.state;
    return { phase: phase === 'Succeeded' ? phase : 'RolledBack', reason: message, reached };
  }

  /** For the next run, with the commands that wait for it. */
  carry(waiting: readonly RolloutCommand[]): NonNullable<CanaryRolloutInput['carried']> {
    return { state: this.state, lastAnalysis: this.lastAnalysis, waiting };
  }
}

/** What the Temporal UI shows operators about a rollout. */
class RolloutDisplay {
  private shownState: RolloutPhase | 'Refused' | undefined;

  constructor(private readonly spec: RolloutSpec) {}

  update(state: RolloutState, lastAnalysis: RolloutAnalysis | null): void {
    setCurrentDetails(describe(this.spec, state, lastAnalysis));
    this.showState(state.phase);
  }

  /** `state` is null if the rollout never started. */
  refused(reason: string, state: RolloutState | null): void {
    const lines = ['**Refused**', '', reason];
    if (state !== null) lines.push('', ...reachedTable(state));
    setCurrentDetails(lines.join('\n'));
    this.showState('Refused');
  }

  private showState(shownState: RolloutPhase | 'Refused'): void {
    if (shownState === this.shownState) return;
    this.shownState = shownState;
    upsertSearchAttributes({
      [searchAttributeNames.state]: [shownState],
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
    const { advanceText, rates } = figuresOf(spec, evidence, percent);
    lines.push('', `${advanceText}; in this bake: ${rates}`);
  }
  return [...lines, '', ...reachedTable(state)].join('\n');
}

function reachedTable({ reached }: RolloutState): string[] {
  const rows = reached.map(
    ({ percent, startedAtMs, because }) =>
      `| ${percent}% | ${new Date(startedAtMs).toISOString()} | ${tableCell(because)} |`,
  );
  return ['| split | since | why |', '| --- | --- | --- |', ...rows];
}
