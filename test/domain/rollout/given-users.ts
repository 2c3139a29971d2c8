import type { ClosedUsers, CostSums, UserEvidence, UserTally } from '../../../src/contract/user-evidence';

/** Users of one arm, each with one call, without trouble but for what is changed. */
export function tally(users: number, changes: Partial<UserTally> = {}): UserTally {
  return {
    users,
    firstCalls: users,
    firstCallFaults: 0,
    faultyUsers: 0,
    declinedUsers: 0,
    timedUsers: users,
    slowUsers: 0,
    spokenUsers: users,
    slowToSpeakUsers: 0,
    answeredUsers: users,
    flaggedUsers: {},
    unhappyUsers: 0,
    feedback: {},
    cost: evenCost(users, 1_000),
    successes: users,
    faults: 0,
    declined: 0,
    turns: users,
    successfulTurns: users,
    costNanoUsd: users * 1_000_000,
    latencies: [],
    firstTokens: [],
    ...changes,
  };
}

/** Users who each have one success at costs that vary by a tenth around the given micro-dollars. */
export function evenCost(users: number, microUsd: number): CostSums {
  return {
    users,
    c: users * microUsd,
    s: users,
    cc: users * microUsd ** 2 * 1.01,
    ss: users,
    cs: users * microUsd,
  };
}

/** Closed canary users with one call each. */
export function closed(users: number, failed: number): readonly ClosedUsers[] {
  return [
    { calls: 1, failed: 0, users: users - failed },
    { calls: 1, failed: 1, users: failed },
  ];
}

export function userEvidence(changes: Partial<UserEvidence> = {}): UserEvidence {
  return {
    rule: 2,
    atMs: 0,
    bake: 1,
    closed: [],
    baseline: tally(9_000),
    canary: tally(1_000),
    languages: [],
    limits: { callMs: 400, firstTokenMs: 100 },
    newestCanaryAtMs: 0,
    ...changes,
  };
}
