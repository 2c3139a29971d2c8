import type { RolloutSpec } from '../../contract/rollout';
import type { FaultTally, UserEvidence } from '../../contract/user-evidence';
import { isReached } from './evidence';
import { percentOf } from './findings';
import { coinOf, measureFaults, moreOften } from './user-measures';

/** A larger share than this of the canary's users from one key, or of its turns from one user, is told but does not hold. */
const largestShare = 0.5;

/** Whom the evidence is mostly about: one API key, or a single user. */
export function onesidedFindings({ gates, canaryArm }: RolloutSpec, evidence: UserEvidence): readonly string[] {
  const { canary, canaryLargestKey: key, canaryLargestUserTurns: userTurns = 0 } = evidence;
  const findings: string[] = [];
  if (key !== undefined && canary.users >= gates.minimumStepRequests && key.users > largestShare * canary.users) {
    findings.push(
      `${key.users} of the ${canary.users} users of ${canaryArm} in this bake (${percentOf(key.users / canary.users)}) come from one API key, ${key.keyId}: the evidence is mostly about its traffic.`,
    );
  }
  if (canary.turns >= gates.minimumStepRequests && userTurns > largestShare * canary.turns) {
    findings.push(
      `${userTurns} of the ${canary.turns} turns of ${canaryArm} in this bake (${percentOf(userTurns / canary.turns)}) come from one user, who counts once. Do clients send a separate user id for each user?`,
    );
  }
  return findings;
}

/**
 * Says which API key alone leads to a breach or to `worse`, if one does: most of the canary's users in trouble are its,
 * although it has less than half of all users and their number does not explain it; and without its users not everything that
 * is reached would be. A key can do that with requests that only look like the provider's failures. A real failure meets all
 * keys alike, so it is rarely taken for one of a key; and nobody can delay a rollback by adding failures, because the key
 * that adds them is left out.
 */
export function oneKeyFinding(spec: RolloutSpec, evidence: UserEvidence, percent: number): string | null {
  const { canary, baseline, canaryFaultiestKeys = [] } = evidence;
  const reached = reachedIn(spec, canary, baseline, percent);
  for (const key of canaryFaultiestKeys) {
    if (!isMostOfTheTrouble(key.canary, canary)) continue;
    const rest = without(canary, key.canary);
    const stillReached = reachedIn(spec, rest, without(baseline, key.baseline), percent);
    if (reached.every((measure) => stillReached.includes(measure))) continue;
    return (
      `Most of this comes from one API key, ${key.keyId}: it has ${key.canary.users} of the ${canary.users} users of ` +
      `${spec.canaryArm}, but ${key.canary.faultyUsers} of the ${canary.faultyUsers} who hit failures. Of the other keys' users, ` +
      `${rest.faultyUsers} of ${rest.users} did, which would not be enough. Find out what the key sends before you resume or roll back.`
    );
  }
  return null;
}

/** Ten to one that users of the key are more often in trouble. Without this, a failure of all could look like one of a key. */
const peculiar = Math.log(10);

function isMostOfTheTrouble(own: FaultTally, all: FaultTally): boolean {
  if (2 * own.users >= all.users) return false;
  return (['faultyUsers', 'firstCallFaults'] as const).some((trouble) => {
    const others = all[trouble] - own[trouble];
    return (
      own[trouble] > others && moreOften(own[trouble], Math.max(0, others), coinOf(own.users / all.users)) >= peculiar
    );
  });
}

function reachedIn(spec: RolloutSpec, canary: FaultTally, baseline: FaultTally, percent: number): readonly string[] {
  const measures = Object.entries(measureFaults(canary, baseline, spec, percent / 100));
  return measures.filter(([, value]) => isReached(value)).map(([name]) => name);
}

/** The key's users are read a moment after all users, and may be more. */
function without(all: FaultTally, { users, firstCalls, firstCallFaults, faultyUsers }: FaultTally): FaultTally {
  return {
    users: Math.max(0, all.users - users),
    firstCalls: Math.max(0, all.firstCalls - firstCalls),
    firstCallFaults: Math.max(0, all.firstCallFaults - firstCallFaults),
    faultyUsers: Math.max(0, all.faultyUsers - faultyUsers),
  };
}
