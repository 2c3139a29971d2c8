import type { Delivery } from '../../contract/chat';
import type { CallFailure } from '../../contract/failures';
import type { RetryPolicy, Target } from '../../contract/policy';

/**
 * The timeout of attempt `attemptIndex` (from 0, per target), in whole milliseconds:
 * `baseTimeoutMs × 2^n + 0…timeoutJitterMs`. It grows because a slow provider would fail again at the same timeout. Never
 * more than `longestAttemptMs`, whatever the index. `random` is from 0 to 1.
 */
export function attemptTimeoutMs(policy: RetryPolicy, attemptIndex: number, random: number): number {
  const index = Math.min(attemptIndex, policy.maxAttemptsPerTarget - 1);
  return Math.round(policy.baseTimeoutMs * 2 ** index + policy.timeoutJitterMs * random);
}

/** The longest timeout of any attempt, in milliseconds: enclosing timeouts are derived from it. */
export function longestAttemptMs(policy: RetryPolicy): number {
  return Math.round(policy.baseTimeoutMs * 2 ** (policy.maxAttemptsPerTarget - 1) + policy.timeoutJitterMs);
}

/** The same over a chain of targets, some of which may stream and then have their own limit. */
export function longestCallMs(policy: RetryPolicy, targets: readonly Target[], delivery: Delivery): number {
  if (delivery === 'whole') return longestAttemptMs(policy);
  return Math.max(...targets.map(({ streaming, stream }) => (streaming ? stream.totalMs : longestAttemptMs(policy))));
}

/**
 * How much of a turn's time a canary's own targets must leave to the baseline after the first call: enough for one first
 * attempt. By default that shortens no attempt of two silent targets, which take 152 s of 180.
 */
export function rescueTimeMs({ baseTimeoutMs, timeoutJitterMs, turnDeadlineMs }: RetryPolicy): number {
  return Math.min(baseTimeoutMs + timeoutJitterMs, Math.round(turnDeadlineMs / 4));
}

/**
 * The delay before the same target is retried, in whole milliseconds; null when the turn moves on to the next target
 * immediately: the failure is not transient, the attempts are used up, the target asks for too long a wait, or it was
 * silent and the policy does not retry silent targets.
 * `attemptIndex` is the index of the failed attempt, from 0, per target; `receivedBytes` is false if not a single byte of a
 * response was received; `random` is from 0 to 1.
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

  // "Retry-After: 0" carries no information, and following it would hammer a provider that is in trouble.
  const retryAfterMs = failure.retryAfterMs ?? 0;
  if (retryAfterMs > policy.maxRetryAfterMs) return null;
  if (retryAfterMs > 0) return Math.ceil(retryAfterMs);
  // Jitter, so that turns that were refused at the same time do not retry at the same time.
  return Math.round(backoffMs + policy.delayJitterMs * random);
}
