import type { RolloutGates } from '../contract/rollout';
import { betterThanMinimum } from '../domain/rollout/user-measures';

/** How many closed canary users it takes to gather the evidence for advancing. */
export interface UsersNeeded {
  /** If none of them has a failure. */
  readonly fewest: number;
  readonly median: number;
  /** Enough in 99 of 100 rollouts. */
  readonly ninetyNinePercent: number;
  /** Probability that this many users suffice; null if only approximated. */
  readonly sufficient: ((users: number) => number) | null;
  /** `exact`: the rule followed user by user; `approximate`: from the mean growth of E, for gates that need very many. */
  readonly method: 'exact' | 'approximate';
}

/** Up to this mean, the rule is followed user by user, which takes a second at most. */
const maxExactMean = 20_000;
/** The calculation ends when this share of rollouts is still undecided. */
const negligible = 1e-6;

/**
 * For a canary whose true success rate is the gates' expected one, evaluated after every user. Each user has one request:
 * users with more of them show more, unless their requests fail or succeed together.
 */
export function usersNeeded(gates: RolloutGates): UsersNeeded {
  const { alpha, minimumSuccessRate, expectedSuccessRate } = gates;
  const evidence = (users: number, failures: number): number =>
    betterThanMinimum(
      [
        { calls: 1, failed: 0, users: users - failures },
        { calls: 1, failed: 1, users: failures },
      ],
      minimumSuccessRate,
    );
  const needed = Math.log(1 / alpha);
  const isEnough = (users: number, failures: number): boolean => evidence(users, failures) >= needed;
  const fewest = leastFor((users) => isEnough(users, 0));
  // In the long run, the mean over bets grows with the best of them.
  const many = 1_000_000;
  const growth = evidence(many, many * (1 - expectedSuccessRate)) / many;
  const mean = growth > 0 ? needed / growth : Infinity;
  if (mean > maxExactMean) return { fewest, ...approximation(mean) };
  return { fewest, ...follow(1 - expectedSuccessRate, isEnough) };
}

/** The number of users that suffices in this share of rollouts. */
export function usersNeededIn({ sufficient, ninetyNinePercent }: UsersNeeded, share: number): number {
  return sufficient === null ? ninetyNinePercent : leastFor((users) => sufficient(users) >= share);
}

/** The smallest number for which it is true, if it stays true for all larger ones. */
function leastFor(isTrue: (users: number) => boolean): number {
  let [tooFew, enough] = [-1, 1];
  while (!isTrue(enough)) [tooFew, enough] = [enough, 2 * enough];
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (isTrue(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

/**
 * After n users, the evidence suffices if there were few enough failures. `undecided[f]` is the probability of
 * `firstFailures + f` failures without sufficient evidence so far.
 */
function follow(
  failureRate: number,
  isEnough: (users: number, failures: number) => boolean,
): Omit<UsersNeeded, 'fewest'> {
  const decidedBy: number[] = [0];
  let undecided = [1];
  let firstFailures = 0;
  let left = 1;
  for (let users = 1; left > negligible; users += 1) {
    const next = Array.from({ length: undecided.length + 1 }, () => 0);
    for (const [index, probability] of undecided.entries()) {
      next[index] = (next[index] ?? 0) + probability * (1 - failureRate);
      next[index + 1] = (next[index + 1] ?? 0) + probability * failureRate;
    }
    while (next.length > 0 && firstFailures <= users && isEnough(users, firstFailures)) {
      left -= next.shift() ?? 0;
      firstFailures += 1;
    }
    while ((next.at(-1) ?? 1) < 1e-15) next.pop();
    undecided = next;
    decidedBy.push(1 - left);
  }
  const quantile = (share: number): number => decidedBy.findIndex((probability) => probability >= share);
  return {
    median: quantile(0.5),
    ninetyNinePercent: quantile(0.99),
    sufficient: (users) => decidedBy[Math.min(Math.max(0, Math.floor(users)), decidedBy.length - 1)] ?? 0,
    method: 'exact',
  };
}

/** The time to decide is skewed: its 99 % quantile is about 2.5 times its mean. */
function approximation(mean: number): Omit<UsersNeeded, 'fewest'> {
  return { median: mean, ninetyNinePercent: 2.5 * mean, sufficient: null, method: 'approximate' };
}
