import type {
  RolloutDecision,
  RolloutEntry,
  RolloutGates,
  RolloutOccasion,
  RolloutSpec,
  RolloutState,
} from '../../../src/contract/rollout';
import type { ClosedUsers, CostSums, FrozenLimits, UserEvidence, UserTally } from '../../../src/contract/user-evidence';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { RolloutUnderTest, specWith, startedAtMs } from './given';

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

export function userSpec(changes: Partial<RolloutSpec> = {}, gates: Partial<RolloutGates> = {}): RolloutSpec {
  return specWith({ rule: 2, ...changes }, gates);
}

/** A moment at which everything speaks for the canary, save for what is changed. */
export function provenByUsers(state: RolloutState, atMs: number, changes: Partial<UserEvidence> = {}): UserEvidence {
  const share = state.percent / 100;
  return userEvidence({
    atMs,
    bake: state.bake,
    closed: closed(5_000, 5),
    canary: tally(10_000 * share),
    baseline: tally(10_000 * (1 - share)),
    newestCanaryAtMs: atMs - 1_000,
    ...changes,
  });
}

/** A rollout under rule 2. */
export class UserRollout extends RolloutUnderTest<UserEvidence> {
  state: RolloutState;
  readonly entries: RolloutEntry[] = [];

  constructor(spec: RolloutSpec = userSpec(), limits: FrozenLimits = { callMs: 400, firstTokenMs: 100 }) {
    super(spec);
    this.state = this.decide({ atMs: startedAtMs, evidence: null, command: null, limits }, null).next;
  }

  /** Changes only how the canary's users do. */
  lookAt(atHours: number, canary: Partial<UserTally>, changes: Partial<UserEvidence> = {}): RolloutDecision {
    return this.look(atHours, { canary: tally(100 * this.state.percent, canary), ...changes });
  }

  protected evidenceAt(atMs: number, changes: Partial<UserEvidence>): UserEvidence {
    return provenByUsers(this.state, atMs, changes);
  }

  protected decide(occasion: RolloutOccasion, state: RolloutState | null = this.state): RolloutDecision {
    // Through JSON, as a workflow and an audit row keep it.
    const decision = JSON.parse(JSON.stringify(advanceRollout(this.spec, state, occasion))) as RolloutDecision;
    this.entries.push({ spec: this.spec, ...occasion, decision });
    this.state = decision.next;
    return decision;
  }
}
