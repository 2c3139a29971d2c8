import type { Delivery } from '../../contract/chat';
import type { CallFailure } from '../../contract/failures';
import type { RetryPolicy, Target } from '../../contract/policy';

/**
 * How long attempt `attemptIndex` (from 0, per target) may take, in whole milliseconds:
 * `baseTimeoutMs × 2^n + 0…timeoutJitterMs`. It grows because a slow provider that is cut off at the same limit again
 * fails again. Never above `longestAttemptMs`, whatever the index. `random` is from 0 to 1.
 */
export function attemptTimeoutMs(policy: RetryPolicy, attemptIndex: number, random: number): number {
  const index = Math.min(attemptIndex, policy.maxAttemptsPerTarget - 1);
  return Math.round(policy.baseTimeoutMs * 2 ** index + policy.timeoutJitterMs * random);
}

/** The longest that any one attempt may take, in milliseconds: what limits around an attempt are derived from. */
export function longestAttemptMs(policy: RetryPolicy): number {
  return Math.round(policy.baseTimeoutMs * 2 ** (policy.maxAttemptsPerTarget - 1) + policy.timeoutJitterMs);
}

/** The same over targets that may be asked for a stream, which has a limit of its own. */
export function longestCallMs(policy: RetryPolicy, targets: readonly Target[], delivery: Delivery): number {
  if (delivery === 'whole') return longestAttemptMs(policy);
  return Math.max(...targets.map(({ streaming, stream }) => (streaming ? stream.totalMs : longestAttemptMs(policy))));
}

/**
 * How long to wait before the same target is asked again, in whole milliseconds; null when the turn goes to its next
 * target at once: the failure is not one that passes, the attempts are used up, the target asks for too long a wait, or
 * it was silent and the policy does not ask a silent target again.
 * `attemptIndex` is that of the failed attempt, from 0, per target; `receivedBytes` is false when not one byte of an
 * answer came; `random` is from 0 to 1.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  attemptIndex: number,
  failure: CallFailure,
  receivedBytes: boolean,
  random: number,
): number | null {
  if (!failure.retryable || attemptIndex + 1 >= policy.maxAttemptsPerTarget) return null;

  const isSilence = failure.kind === 'timeout' && !receivedBytes;
  if (isSilence && policy.afterSilence === 'next-target') return null;

  const backoffMs = policy.baseDelayMs * 2 ** attemptIndex;
  const isRefusal = failure.kind === 'rate-limited' || failure.kind === 'server-error';
  if (!isRefusal) return Math.round(backoffMs);

  // "Retry after 0" is no information; obeyed, it would hammer a provider that is in trouble.
  const retryAfterMs = failure.retryAfterMs ?? 0;
  if (retryAfterMs > policy.maxRetryAfterMs) return null;
  if (retryAfterMs > 0) return Math.ceil(retryAfterMs);
  // Jitter, so that turns which were refused together do not come back together.
  return Math.round(backoffMs + policy.delayJitterMs * random);
}
