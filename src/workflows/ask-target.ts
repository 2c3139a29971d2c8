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

/** Beyond the HTTP timeout: reserving, settling and a ledger that restarts (its own retries end after 30 s). */
const bookkeepingMs = 40_000;

/** A missing heartbeat means a dead worker; the activity beats every third of this. */
const heartbeatTimeoutMs = 10_000;

/** Temporal asks for a coefficient and intervals; every failure brings its own delay, so these hold only for lost workers. */
const lostWorkerRetry = { initialInterval: '1 second', backoffCoefficient: 2 } as const;

export interface TargetLimits {
  readonly maxAttemptsPerTarget: number;
  readonly longestAttemptMs: number;
}

export type TargetAnswer = AnsweredCall | { readonly kind: 'failed'; readonly failure: CallFailure };

/**
 * Asks one model of the chain until it answers or must not be asked again. The first call runs inside the workflow task
 * where the target usually answers within seconds; all others run as a regular activity under Temporal's retry policy,
 * with attempts and failures for everyone to see. `firstCall` is the outcome of a first call that was made before.
 */
export async function askTarget(
  call: Omit<ModelCallInput, 'earlierCalls'>,
  limits: TargetLimits,
  firstCall: CallOutcome | null,
): Promise<TargetAnswer> {
  if (call.target.firstAttempt === 'regular') return callUntilAnswered({ ...call, earlierCalls: 0 }, limits);

  const first = firstCall ?? (await callOnceInTask(call, limits));
  if (first.kind === 'answered') return first;
  if (first.retryDelayMs === null) return first;

  await sleep(first.retryDelayMs);
  return callUntilAnswered({ ...call, ticket: null, earlierCalls: 1 }, limits);
}

async function callOnceInTask(call: Omit<ModelCallInput, 'earlierCalls'>, limits: TargetLimits): Promise<CallOutcome> {
  const { callModelInTask } = proxyLocalActivities<Activities>({
    startToCloseTimeout: limits.longestAttemptMs + bookkeepingMs,
    // Failures of the provider are returned, not thrown; what is thrown (a lost ledger) is worth another try.
    retry: { maximumAttempts: 3 },
    summary: summaryOf(call),
  });
  try {
    return await callModelInTask({ ...call, earlierCalls: 0 });
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error), retryDelayMs: limits.maxAttemptsPerTarget > 1 ? 0 : null };
  }
}

async function callUntilAnswered(call: ModelCallInput, limits: TargetLimits): Promise<TargetAnswer> {
  const callsLeft = limits.maxAttemptsPerTarget - call.earlierCalls;
  const { callModel } = proxyActivities<Activities>({
    startToCloseTimeout: limits.longestAttemptMs + bookkeepingMs,
    heartbeatTimeout: heartbeatTimeoutMs,
    retry: { ...lostWorkerRetry, maximumAttempts: callsLeft },
    summary: summaryOf(call),
  });
  try {
    return await callModel(call);
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error) };
  }
}

function summaryOf(call: Pick<ModelCallInput, 'target' | 'arm'>): string {
  return `${call.target.name}: ${call.target.model} (arm ${call.arm})`;
}

/** Cancellation is not a failure of the target and goes on to the turn. */
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
        : 'The worker that made the call was lost, and so were its further attempts.',
    retryable: false,
    charge: 'unknown',
    httpStatus: null,
    retryAfterMs: null,
  };
}
