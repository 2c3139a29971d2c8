import { type AnswerFlag, answerFlags, type UserEvidence, type UserTally } from '../../contract/user-evidence';
import { successInterval } from './migration-report';

/** The share of an arm's users, or of its rated turns, of which something holds. */
export interface Share {
  /** From 0 to 1. */
  readonly rate: number;
  /** Of the rate, 95 %. */
  readonly interval: { readonly low: number; readonly high: number };
  /** Of how many. */
  readonly of: number;
}

/** Something of both arms; null where nothing is known of an arm. */
export interface OfArms<Value> {
  readonly baseline: Value | null;
  readonly canary: Value | null;
}

/** What is known of the users of a rollout, or of those of one language. */
export interface ReportedUsers {
  /** A user counts once per bake. */
  readonly users: { readonly baseline: number; readonly canary: number };
  /** By users' first calls; what a caller causes is no failure. */
  readonly success: OfArms<Share>;
  /** Users with a fault of the arm. */
  readonly troubled: OfArms<Share>;
  readonly declined: OfArms<Share>;
  /** Of users' first answers. Flags that no answer carries are absent. */
  readonly flags: readonly { readonly flag: AnswerFlag; readonly share: OfArms<Share> }[];
  readonly unhappy: OfArms<Share>;
  /** Of rated turns: up / (up + down). */
  readonly satisfaction: OfArms<Share>;
  /** Unconfirmed calls are included. */
  readonly costPerSuccessNanoUsd: OfArms<number>;
}

export interface UserReport extends ReportedUsers {
  /** Those with the most users first. */
  readonly languages: readonly (ReportedUsers & { readonly language: string })[];
}

/** Both arms in one bake. */
interface Bake {
  readonly baseline: UserTally;
  readonly canary: UserTally;
}

/**
 * Compares the arms over all bakes. Never by adding bakes up: a bad hour in which most users were on one arm would look like
 * that arm's (Simpson's paradox). Both arms are compared bake by bake, and each bake has the weight of the canary's users in
 * it; so the baseline's figures are what the canary's users would have met there.
 */
export function reportOfUsers(bakes: readonly UserEvidence[]): UserReport {
  const languages = [...new Set(bakes.flatMap((bake) => bake.languages.map(({ language }) => language)))];
  const byLanguage = languages.map((language) => ({
    language,
    ...compare(bakes.flatMap((bake) => bake.languages.filter((tally) => tally.language === language))),
  }));
  return { ...compare(bakes), languages: byLanguage.toSorted((one, other) => allUsers(other) - allUsers(one)) };
}

function allUsers({ users }: ReportedUsers): number {
  return users.baseline + users.canary;
}

function compare(bakes: readonly Bake[]): ReportedUsers {
  const share = (some: (tally: UserTally) => number, all: (tally: UserTally) => number): OfArms<Share> =>
    sharesOf(bakes, some, all);
  return {
    users: {
      baseline: sum(bakes, ({ baseline }) => baseline.users),
      canary: sum(bakes, ({ canary }) => canary.users),
    },
    success: share(
      ({ firstCalls, firstCallFaults }) => firstCalls - firstCallFaults,
      ({ firstCalls }) => firstCalls,
    ),
    troubled: share(
      ({ faultyUsers }) => faultyUsers,
      ({ users }) => users,
    ),
    declined: share(
      ({ declinedUsers }) => declinedUsers,
      ({ users }) => users,
    ),
    flags: answerFlags
      .filter((flag) => bakes.some(({ baseline, canary }) => carry(baseline, flag) + carry(canary, flag) > 0))
      .map((flag) => ({
        flag,
        share: share(
          (tally) => carry(tally, flag),
          ({ answeredUsers }) => answeredUsers,
        ),
      })),
    unhappy: share(
      ({ unhappyUsers }) => unhappyUsers,
      ({ users }) => users,
    ),
    satisfaction: share(({ feedback: { up = 0 } }) => up, ratedTurns),
    costPerSuccessNanoUsd: costsOf(bakes),
  };
}

function carry({ flaggedUsers }: UserTally, flag: AnswerFlag): number {
  return flaggedUsers[flag] ?? 0;
}

function ratedTurns({ feedback: { up = 0, down = 0 } }: UserTally): number {
  return up + down;
}

/** Bakes that say something of both arms, or all that say something, if there are none. */
function comparable(bakes: readonly Bake[], all: (tally: UserTally) => number): readonly Bake[] {
  const both = bakes.filter(({ baseline, canary }) => all(baseline) > 0 && all(canary) > 0);
  return both.length > 0 ? both : bakes;
}

function sharesOf(
  bakes: readonly Bake[],
  some: (tally: UserTally) => number,
  all: (tally: UserTally) => number,
): OfArms<Share> {
  const compared = comparable(bakes, all);
  const shareOf = (arm: keyof Bake): Share | null => {
    const known = compared.filter((bake) => all(bake[arm]) > 0);
    const weights = weightsOf(known, arm);
    if (known.length === 0) return null;
    let [rate, variance] = [0, 0];
    known.forEach((bake, index) => {
      const weight = weights[index] ?? 0;
      rate += (weight * some(bake[arm])) / all(bake[arm]);
      variance += weight ** 2 / all(bake[arm]);
    });
    // As many users, all in one bake, would make the rate as certain.
    const effective = 1 / variance;
    const interval = successInterval(rate * effective, effective) ?? { low: 0, high: 1 };
    return { rate, interval, of: sum(known, (bake) => all(bake[arm])) };
  };
  return { baseline: shareOf('baseline'), canary: shareOf('canary') };
}

/** Per user of each arm, so that bakes can be weighted. */
function costsOf(bakes: readonly Bake[]): OfArms<number> {
  const compared = comparable(bakes, ({ users }) => users);
  const costOf = (arm: keyof Bake): number | null => {
    const known = compared.filter((bake) => bake[arm].users > 0);
    const weights = weightsOf(known, arm);
    const perUser = (value: (tally: UserTally) => number): number =>
      known.reduce((total, bake, index) => total + ((weights[index] ?? 0) * value(bake[arm])) / bake[arm].users, 0);
    const successes = perUser(({ successfulTurns }) => successfulTurns);
    return successes === 0 ? null : Math.round(perUser(({ costNanoUsd }) => costNanoUsd) / successes);
  };
  return { baseline: costOf('baseline'), canary: costOf('canary') };
}

/** The share of each bake in the canary's users; where it had none, in the arm's own. */
function weightsOf(bakes: readonly Bake[], arm: keyof Bake): readonly number[] {
  const of = sum(bakes, ({ canary }) => canary.users) > 0 ? 'canary' : arm;
  const users = sum(bakes, (bake) => bake[of].users);
  return bakes.map((bake) => bake[of].users / users);
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
