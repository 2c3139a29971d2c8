import * as fc from 'fast-check';
import type { Evidence, RolloutCommand, RolloutSpec, RolloutState } from '../../../src/contract/rollout';
import { evidenceDueAtMs, stepDueAtMs } from '../../../src/domain/rollout/clock';
import { rolloutPlans } from '../../../src/domain/rollout/plans';
import { readCommand } from '../../../src/domain/rollout/validate-command';
import { arm, hourMs, specWith, startedAtMs } from './given';

/** What happens next to a rollout: when, and what is seen or said then. */
export interface Happening {
  /** Milliseconds since 1970, given when the one before happened. */
  readonly atMs: (spec: RolloutSpec, state: RolloutState, beforeMs: number) => number;
  readonly evidence: (state: RolloutState, atMs: number) => Evidence | null;
  readonly command: (state: RolloutState) => RolloutCommand | null;
  /** The workflow went on from its state as JSON before. */
  readonly isAfterRestart: boolean;
}

/** Mostly when something is due, because that is when moves happen; also at once, and after hours without a worker. */
const time: fc.Arbitrary<Happening['atMs']> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constant<Happening['atMs']>((spec, state, before) => Math.max(before, stepDueAtMs(spec, state))),
  },
  {
    weight: 2,
    arbitrary: fc.constant<Happening['atMs']>((spec, state, before) => Math.max(before, stepDueAtMs(spec, state) - 1)),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Happening['atMs']>((spec, state, before) => Math.max(before, evidenceDueAtMs(spec, state))),
  },
  { weight: 2, arbitrary: fc.constant<Happening['atMs']>((_, __, before) => before) },
  { weight: 3, arbitrary: fc.nat(30 * hourMs).map<Happening['atMs']>((ms) => (_, __, before) => before + ms) },
);

const seldom = fc.nat(19).map((drawn) => drawn === 0);

/** Around all the limits: mostly good, now and then too little, failing, slow, dear, of the wrong users, old or unseen. */
const evidence: fc.Arbitrary<Happening['evidence']> = fc
  .record({
    requests: fc.oneof(fc.integer({ min: 290, max: 310 }), fc.integer({ min: 300, max: 5000 })),
    failures: fc.oneof({ weight: 20, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(200) }),
    earlierSuccesses: fc.oneof(
      { weight: 1, arbitrary: fc.nat(1200) },
      { weight: 4, arbitrary: fc.integer({ min: 1000, max: 20_000 }) },
    ),
    earlierFailures: fc.nat(8),
    baselineFailures: fc.oneof(fc.nat(20), fc.integer({ min: 500, max: 1500 })),
    isSlow: seldom,
    isDear: seldom,
    isSplitWrong: seldom,
    isUnread: seldom,
    isOfEarlierBake: seldom,
    ageMs: fc.oneof({ weight: 15, arbitrary: fc.nat(900_000) }, { weight: 1, arbitrary: fc.nat(5 * hourMs) }),
  })
  .map((seen) => ({ bake, percent }, atMs) => {
    const { requests, failures, earlierSuccesses, earlierFailures, isDear, isSplitWrong } = seen;
    if (seen.isUnread) return null;
    const share = isSplitWrong ? 100 - percent : percent;
    const costNanoUsd = requests * (isDear ? 5000 : 1000);
    const canary = arm(requests, failures, { users: share * 10, costNanoUsd });
    const baseline = arm(9000, seen.baselineFailures, { users: 1000 - share * 10, costNanoUsd: 9000 * 1000 });
    return {
      atMs,
      bake: seen.isOfEarlierBake ? bake - 1 : bake,
      canarySuccesses: earlierSuccesses + canary.successes,
      canaryFailures: earlierFailures + canary.failures,
      baseline,
      canary,
      canaryTimedCalls: requests,
      canarySlowCalls: seen.isSlow ? Math.floor(requests / 2) : 0,
      newestCanaryAtMs: atMs - seen.ageMs,
    };
  });

const reason = fc.constantFrom(undefined, '', 'mended', 'mended', 'checked', 'half a pair \uD800 and \0');
const sentence = fc.record({
  actor: fc.constantFrom<unknown>('ann', 'ann', 'bob', 'bob', 'eve', 'eve', '', 5, undefined),
  reason,
  full: fc.constantFrom<unknown>(undefined, undefined, undefined, false, false, true, true, 'yes'),
  force: fc.boolean(),
});

/** As signals bring them, malformed ones too; rollbacks are few, because nothing comes after them. */
const command: fc.Arbitrary<Happening['command']> = fc
  .record({
    name: fc.oneof(
      {
        weight: 20,
        arbitrary: fc.constantFrom('promote' as const, 'pause' as const, 'resume' as const),
      },
      { weight: 1, arbitrary: fc.constant('rollback' as const) },
    ),
    input: fc.oneof(
      { weight: 9, arbitrary: sentence },
      { weight: 1, arbitrary: fc.constantFrom(null, undefined, 'now') },
    ),
    seen: fc.constantFrom('unsaid', 'unsaid', 'true', 'stale'),
  })
  .map(({ name, input, seen }) => ({ percent }) => {
    const seenPercent = { unsaid: {}, true: { seenPercent: percent }, stale: { seenPercent: percent - 1 } }[seen];
    return readCommand(name, typeof input === 'object' && input !== null ? { ...input, ...seenPercent } : input);
  });

const noCommand: Happening['command'] = () => null;

export const happenings: fc.Arbitrary<readonly Happening[]> = fc.array(
  fc.record({
    atMs: time,
    evidence,
    command: fc.oneof({ weight: 3, arbitrary: fc.constant(noCommand) }, { weight: 1, arbitrary: command }),
    isAfterRestart: fc.boolean(),
  }),
  { minLength: 5, maxLength: 30, size: 'max' },
);

export const specs: fc.Arbitrary<RolloutSpec> = fc
  .record({
    plan: fc.constantFrom('72h' as const, 'guide' as const),
    freezes: fc.array(fc.tuple(fc.nat(100 * hourMs), fc.integer({ min: 1, max: 20 * hourMs })), { maxLength: 2 }),
  })
  .map(({ plan, freezes }) =>
    specWith({
      ...rolloutPlans[plan],
      freezeWindows: freezes.map(([afterMs, lengthMs]) => ({
        fromMs: startedAtMs + afterMs,
        toMs: startedAtMs + afterMs + lengthMs,
      })),
    }),
  );
