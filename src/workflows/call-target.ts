import {
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  proxyLocalActivities,
  sleep,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import { type CallFailure, failureTypes } from '../contract/failures';
import type { AnsweredCall, CallOutcome, ModelCallInput } from '../contract/turn';
import type { TurnStop } from './turn-stop';

/** In addition to the HTTP timeout: time to reserve and settle, even while the ledger's database restarts (its own retries end after 30 s). */
const bookkeepingMs = 40_000;

/** A missing heartbeat means a dead worker. The activity sends one every third of this. */
const heartbeatTimeoutMs = 10_000;

/** Every failure sets its own retry delay, so this backoff applies only to lost workers. */
const lostWorkerRetry = { initialInterval: '1 second', backoffCoefficient: 2 } as const;

export interface TargetLimits {
  readonly maxAttemptsPerTarget: number;
  readonly longestAttemptMs: number;
}

export type TargetAnswer = AnsweredCall | { readonly kind: 'failed'; readonly failure: CallFailure };

/**
 * Calls one target of the chain until it answers or must not be called again. If the target usually answers within
 * seconds, the first call runs inside the workflow task; all others run as a regular activity under Temporal's retry
 * policy, whose attempts and failures are visible in the UI. `firstCall` is the outcome of the first call if it was already
 * made.
 */
export async function callTarget(
  call: Omit<ModelCallInput, 'earlierCalls'>,
  limits: TargetLimits,
  firstCall: CallOutcome | null,
  stop: TurnStop,
): Promise<TargetAnswer> {
  if (call.target.firstAttempt === 'regular') return callUntilAnswered({ ...call, earlierCalls: 0 }, limits, stop);

  const first = firstCall ?? (await callOnceInTask(call, limits));
  if (first.kind === 'answered') return first;
  if (first.retryDelayMs === null) return first;

  const delayMs = first.retryDelayMs;
  await stop.over(() => sleep(delayMs));
  return callUntilAnswered({ ...call, ticket: null, earlierCalls: 1 }, limits, stop);
}

async function callOnceInTask(call: Omit<ModelCallInput, 'earlierCalls'>, limits: TargetLimits): Promise<CallOutcome> {
  const { callModelInTask } = proxyLocalActivities<Activities>({
    startToCloseTimeout: limits.longestAttemptMs + bookkeepingMs,
    // Provider failures are returned, not thrown. What is thrown (the ledger is unavailable) is worth a retry.
    retry: { maximumAttempts: 3 },
    summary: summaryOf(call),
  });
  try {
    return await callModelInTask({ ...call, earlierCalls: 0 });
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error), retryDelayMs: limits.maxAttemptsPerTarget > 1 ? 0 : null };
  }
}

async function callUntilAnswered(call: ModelCallInput, limits: TargetLimits, stop: TurnStop): Promise<TargetAnswer> {
  const callsLeft = limits.maxAttemptsPerTarget - call.earlierCalls;
  const { callModel } = proxyActivities<Activities>({
    startToCloseTimeout: limits.longestAttemptMs + bookkeepingMs,
    heartbeatTimeout: heartbeatTimeoutMs,
    retry: { ...lostWorkerRetry, maximumAttempts: callsLeft },
    summary: summaryOf(call),
  });
  try {
    return await stop.over(() => callModel(call));
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error) };
  }
}

function summaryOf(call: Pick<ModelCallInput, 'target' | 'arm'>): string {
  return `${call.target.name}: ${call.target.model} (arm ${call.arm})`;
}

/** A cancellation, also by a stop, is not a failure of the target; it is rethrown to the turn. */
function failureOf(error: unknown): CallFailure {
  if (!(error instanceof ActivityFailure)) throw error;
  const cause = error.cause;
  if (
    cause instanceof ApplicationFailure &&
    cause.type === failureTypes.modelCall &&
    cause.details?.[0] !== undefined
  ) {
    return cause.details[0] as CallFailure;
  }
  if (cause?.name === 'CancelledFailure') throw error;
  return {
    kind: 'timeout',
    message:
      cause instanceof ApplicationFailure
        ? cause.message
        : 'The worker that made the call was lost, and retries on other workers were lost, too.',
    retryable: false,
    charge: 'unknown',
    httpStatus: null,
    retryAfterMs: null,
  };
}
