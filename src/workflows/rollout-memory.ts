import { ApplicationFailure } from '@temporalio/workflow';
import { failureTypes } from '../contract/failures';
import type {
  CanaryRolloutInput,
  RolloutAnalysis,
  RolloutResult,
  RolloutSpec,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
import { nextAnalysisAtMs } from '../domain/rollout/clock';
import { ShownRollout } from './rollout-view';

/** All that a rollout's workflow knows; whatever changes is shown to operators at once. */
export class RolloutMemory {
  private current: RolloutState | null;
  private lastAnalysis: RolloutAnalysis | null;
  private refusal: string | null = null;
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
    if (this.refusal !== null) throw ApplicationFailure.nonRetryable(this.refusal, failureTypes.rolloutRefused);
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
  refuse(reason: string): void {
    this.refusal = reason;
    this.shown.refused(reason, this.current);
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
      state: refusal === null ? state : { ...state, message: refusal },
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
