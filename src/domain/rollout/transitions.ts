import type { RolloutAction, RolloutDecision, RolloutPhase, RolloutSpec, RolloutState } from '../../contract/rollout';

/** A decision that changes at most the message, and only while the rollout is progressing or promoting. */
export function unchanged(
  action: Extract<RolloutAction, 'wait' | 'refuse'>,
  state: RolloutState,
  reason: string,
  missing: readonly string[] = [],
): RolloutDecision {
  // A refused command concerns only its sender, and the reason for a hold, a pause or an end remains valid while waiting.
  const isMoving = state.phase === 'Progressing' || state.phase === 'Promoting';
  const message = action === 'wait' && isMoving ? reason : state.message;
  return { action, reason, missing, next: { ...state, message, sequence: state.sequence + 1 } };
}

/** A new phase under the same split. */
export function enter(
  action: RolloutAction,
  state: RolloutState,
  phase: RolloutPhase,
  reason: string,
  missing: readonly string[] = [],
): RolloutDecision {
  return { action, reason, missing, next: { ...state, phase, message: reason, sequence: state.sequence + 1 } };
}

export function hold(state: RolloutState, reason: string): RolloutDecision {
  return enter('hold', state, 'Held', reason, ['An operator must promote with a reason, resume or roll back.']);
}

/** The canary's share at a step. After the last one it is all users, but for those held back while it is warm. */
export function percentAt({ steps, holdbackPercent = 0 }: RolloutSpec, step: number): number {
  return steps[step]?.percent ?? 100 - holdbackPercent;
}

export function advanceTo(
  spec: RolloutSpec,
  state: RolloutState,
  step: number,
  atMs: number,
  reason: string,
): RolloutDecision {
  const percent = percentAt(spec, step);
  const next: RolloutState = {
    ...state,
    phase: step >= spec.steps.length ? 'Promoting' : 'Progressing',
    message: reason,
    step,
    percent,
    bake: state.bake + 1,
    bakeStartedAtMs: atMs,
    stepStartedAtMs: atMs,
    reached: [...state.reached, { percent, startedAtMs: atMs, because: reason }],
    sequence: state.sequence + 1,
  };
  return { action: 'advance', reason, missing: [], next };
}

export function rollBack(state: RolloutState, atMs: number, reason: string): RolloutDecision {
  const reached = [...state.reached, { percent: 0, startedAtMs: atMs, because: reason }];
  const { action, next } = enter('roll-back', state, 'RolledBack', reason);
  return { action, reason, missing: [], next: { ...next, percent: 0, bake: state.bake + 1, endedAtMs: atMs, reached } };
}

/** The first decision, which becomes the first entry of the audit trail. */
export function begin(spec: RolloutSpec, atMs: number): RolloutDecision {
  const percent = percentAt(spec, 0);
  const reason = `${spec.actor} started the rollout from ${spec.baselineArm} to ${spec.canaryArm} at ${percent}%.`;
  const next: RolloutState = {
    phase: 'Progressing',
    message: reason,
    step: 0,
    percent,
    bake: 1,
    bakeStartedAtMs: atMs,
    startedAtMs: atMs,
    stepStartedAtMs: atMs,
    endedAtMs: null,
    reached: [{ percent, startedAtMs: atMs, because: reason }],
    sequence: 1,
  };
  return { action: 'start', reason, missing: [], next };
}
