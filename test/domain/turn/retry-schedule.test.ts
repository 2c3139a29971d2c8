import * as fc from 'fast-check';
import { failureKinds, type CallFailure } from '../../../src/contract/failures';
import type { RetryPolicy, Target } from '../../../src/contract/policy';
import {
  attemptTimeoutMs,
  longestAttemptMs,
  longestCallMs,
  rescueTimeMs,
  retryDelayMs,
} from '../../../src/domain/turn/retry-schedule';

const policy: RetryPolicy = {
  maxAttemptsPerTarget: 3,
  baseTimeoutMs: 10_000,
  timeoutJitterMs: 1_000,
  baseDelayMs: 1_000,
  delayJitterMs: 1_000,
  maxRetryAfterMs: 20_000,
  afterSilence: 'retry',
  budgetPercent: 20,
  budgetPerSecond: 2,
  turnDeadlineMs: 120_000,
};

function failure(changes: Partial<CallFailure>): CallFailure {
  return {
    kind: 'server-error',
    message: 'failed',
    retryable: true,
    charge: 'not-charged',
    httpStatus: null,
    retryAfterMs: null,
    ...changes,
  };
}

const anyRandom = fc.double({ min: 0, max: 1, noNaN: true });
const anyPolicy: fc.Arbitrary<RetryPolicy> = fc.record({
  maxAttemptsPerTarget: fc.integer({ min: 1, max: 8 }),
  baseTimeoutMs: fc.integer({ min: 1, max: 60_000 }),
  timeoutJitterMs: fc.integer({ min: 0, max: 10_000 }),
  baseDelayMs: fc.integer({ min: 0, max: 60_000 }),
  delayJitterMs: fc.integer({ min: 0, max: 10_000 }),
  maxRetryAfterMs: fc.integer({ min: 0, max: 60_000 }),
  afterSilence: fc.constantFrom('retry', 'next-target'),
  budgetPercent: fc.constant(20),
  budgetPerSecond: fc.constant(2),
  turnDeadlineMs: fc.constant(600_000),
});
const anyFailure: fc.Arbitrary<CallFailure> = fc.record({
  kind: fc.constantFrom(...failureKinds),
  message: fc.constant('failed'),
  retryable: fc.boolean(),
  charge: fc.constantFrom('not-charged', 'unknown'),
  httpStatus: fc.constant(null),
  retryAfterMs: fc.option(fc.integer({ min: 0, max: 120_000 })),
});

describe('the limit of an attempt', () => {
  test('is 10, 20 and 40 seconds without jitter', () => {
    expect([0, 1, 2].map((index) => attemptTimeoutMs(policy, index, 0))).toEqual([10_000, 20_000, 40_000]);
  });

  test('gets up to one second of jitter', () => {
    expect(attemptTimeoutMs(policy, 0, 0.5)).toBe(10_500);
    expect(attemptTimeoutMs(policy, 2, 1)).toBe(41_000);
    expect(longestAttemptMs(policy)).toBe(41_000);
  });

  test('is whole milliseconds, grows with the attempt and never passes the longest', () => {
    fc.assert(
      fc.property(anyPolicy, fc.nat(20), anyRandom, (anyOf, index, random) => {
        const timeoutMs = attemptTimeoutMs(anyOf, index, random);
        expect(Number.isInteger(timeoutMs)).toBe(true);
        expect(timeoutMs).toBeGreaterThanOrEqual(anyOf.baseTimeoutMs);
        expect(timeoutMs).toBeLessThanOrEqual(longestAttemptMs(anyOf));
        expect(attemptTimeoutMs(anyOf, index + 1, random)).toBeGreaterThanOrEqual(timeoutMs);
      }),
    );
  });
});

describe('the longest call of a chain', () => {
  const stream = { firstByteMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 30_000 };
  const target = { ...({} as Target), streaming: true, stream };
  const plain = { ...target, streaming: false };

  test.each([
    ['a whole answer: the longest attempt', 'whole', [target], 41_000],
    ['a stream: its limit', 'collected', [target], 30_000],
    ['a stream whose chain has a target without: the longer of both', 'streamed', [target, plain], 41_000],
  ] as const)('%s', (_title, delivery, targets, longestMs) => {
    expect(longestCallMs(policy, targets, delivery)).toBe(longestMs);
  });
});

describe('the time that a canary leaves to the baseline', () => {
  test.each([
    ['is that of a first attempt', 180_000, 11_000],
    ['is at most a quarter of the turn', 12_000, 3_000],
  ])('%s', (_, turnDeadlineMs, expectedMs) => {
    expect(rescueTimeMs({ ...policy, turnDeadlineMs })).toBe(expectedMs);
  });
});

describe('the wait before the same target is asked again', () => {
  test('429 with Retry-After → as told', () => {
    expect(retryDelayMs(policy, 0, failure({ kind: 'rate-limited', retryAfterMs: 7_000 }), true, 0.9)).toBe(7_000);
  });

  test('503 with Retry-After → as told', () => {
    expect(retryDelayMs(policy, 0, failure({ kind: 'server-error', retryAfterMs: 3_000 }), true, 0.9)).toBe(3_000);
  });

  test('429 without a header → 1 s, then 2 s, with jitter', () => {
    const rateLimited = failure({ kind: 'rate-limited' });
    expect(retryDelayMs(policy, 0, rateLimited, true, 0)).toBe(1_000);
    expect(retryDelayMs(policy, 0, rateLimited, true, 0.25)).toBe(1_250);
    expect(retryDelayMs(policy, 1, rateLimited, true, 0.25)).toBe(2_250);
  });

  test('5xx → 1 s, then 2 s, with jitter', () => {
    expect([0, 1].map((index) => retryDelayMs(policy, index, failure({}), true, 0.5))).toEqual([1_500, 2_500]);
  });

  test.each(['timeout', 'connection'] as const)('%s → 1 s, then 2 s, without jitter', (kind) => {
    expect([0, 1].map((index) => retryDelayMs(policy, index, failure({ kind }), false, 0.5))).toEqual([1_000, 2_000]);
  });

  test('Retry-After of 0 → the usual wait, so that the target is not hammered', () => {
    expect(retryDelayMs(policy, 0, failure({ kind: 'rate-limited', retryAfterMs: 0 }), true, 0)).toBe(1_000);
  });

  test('Retry-After longer than the policy waits → next target', () => {
    expect(retryDelayMs(policy, 0, failure({ kind: 'rate-limited', retryAfterMs: 20_001 }), true, 0)).toBeNull();
    expect(retryDelayMs(policy, 0, failure({ kind: 'rate-limited', retryAfterMs: 20_000 }), true, 0)).toBe(20_000);
  });

  test('the last attempt failed → next target', () => {
    expect(retryDelayMs(policy, 2, failure({}), true, 0)).toBeNull();
  });

  test('silence → next target when the policy says so, and only for silence', () => {
    const impatient: RetryPolicy = { ...policy, afterSilence: 'next-target' };
    expect(retryDelayMs(impatient, 0, failure({ kind: 'timeout' }), false, 0)).toBeNull();
    expect(retryDelayMs(impatient, 0, failure({ kind: 'timeout' }), true, 0)).toBe(1_000);
    expect(retryDelayMs(impatient, 0, failure({ kind: 'connection' }), false, 0)).toBe(1_000);
  });

  test('never for what is not retryable, nor beyond the attempts, nor longer than the policy allows', () => {
    fc.assert(
      fc.property(anyPolicy, fc.nat(10), anyFailure, fc.boolean(), anyRandom, (anyOf, index, failed, bytes, random) => {
        const delayMs = retryDelayMs(anyOf, index, failed, bytes, random);
        if (!failed.retryable || index + 1 >= anyOf.maxAttemptsPerTarget) expect(delayMs).toBeNull();
        if (delayMs === null) return;
        const longestMs = anyOf.baseDelayMs * 2 ** index + anyOf.delayJitterMs;
        expect(Number.isInteger(delayMs)).toBe(true);
        expect(delayMs).toBeGreaterThanOrEqual(0);
        expect(delayMs).toBeLessThanOrEqual(Math.max(longestMs, anyOf.maxRetryAfterMs));
      }),
    );
  });
});
