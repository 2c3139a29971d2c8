import type { RolloutSpec } from '../../contract/rollout';
import {
  type AnswerFlag,
  answerFlags,
  type ClosedUsers,
  type FaultTally,
  type UserEvidence,
  type UserTally,
} from '../../contract/user-evidence';
import { type CostMeasure, costOf } from './cost-sequence';
import { binomialEvidence, type TestValue, wrongShare } from './evidence';

/**
 * The evidence of rule 2, over users, as natural logarithms of mixtures of likelihood ratios. The null hypothesis of the
 * comparisons is that the arms do not differ: then the arm of a user who has trouble is a coin with the bias of the split,
 * whatever users, hours and incidents are like. Under its null hypothesis a mixture is a supermartingale, so by Ville's
 * inequality the probability of a false alarm is at most its bound, however often one looks. Not so for four measures:
 *
 * - `flags` and `slowerToSpeak` take the canary's share of answered users so far for the coin's bias, which is not known
 *   before the users come. At any one look the bound holds; over many looks it is an approximation, which simulations support.
 * - `cost` is an asymptotic confidence sequence: good for the many users that it waits for, not exact.
 * - `worse` averages two mixtures, and with parallel calls one may know a user's arm before the other bets on it. By the
 *   union bound its probability is at most twice the bound.
 */
export interface UserMeasures {
  /** E, over the whole rollout: closed canary users have better rates than the minimum. */
  readonly advance: TestValue;
  /** D, in this bake: first calls of the canary's users fail more often than the minimum allows. */
  readonly breach: TestValue;
  /** In this bake, like all that follow: more of the canary's users met a fault of their arm. */
  readonly worse: TestValue;
  /** The canary's share of users differs from the split. */
  readonly wrongShare: TestValue;
  readonly declined: TestValue;
  /** Null without a frozen limit or guard. */
  readonly slower: TestValue | null;
  readonly slowerToSpeak: TestValue | null;
  readonly flags: Readonly<Record<AnswerFlag, TestValue>>;
  readonly feedback: TestValue;
  /** Null without a guard, or with too few users to say. */
  readonly cost: CostMeasure | null;
  /** The languages that can raise an alarm by themselves. */
  readonly languages: readonly LanguageMeasures[];
}

export interface LanguageMeasures {
  readonly language: string;
  readonly worse: TestValue;
  readonly declined: TestValue;
  readonly flags: Readonly<Record<AnswerFlag, TestValue>>;
  readonly feedback: TestValue;
}

export type MeasuredSpec = Pick<RolloutSpec, 'gates' | 'steps' | 'languages'>;

/** Upper bounds on the probability that the guard is ever raised while the arms are alike; `gates` has the others. */
const guardBounds = { flags: 0.005, feedback: 0.005, cost: 0.02 } as const;

/** An undeclared language counts by itself from this share of users on. */
const countingShare = 0.05;
/** No more languages than this can have that share. */
const countingLanguages = 1 / countingShare;

/** `percent` is the canary's share in the split while the evidence was collected. */
export function measureUsers(evidence: UserEvidence, spec: MeasuredSpec, percent: number): UserMeasures {
  const { gates } = spec;
  const { canary, baseline, limits } = evidence;
  const share = percent / 100;
  const coin = coinOf(share);
  const neededAt = (bound: number): number => neededInBake(spec, bound);
  const alarm = neededAt(gates.beta);
  const isLatencyGuarded = gates.maxLatencyPercent !== null;
  const isFirstTokenKnown = limits.firstTokenMs !== null && canary.spokenUsers > 0 && baseline.spokenUsers > 0;
  return {
    advance: { value: betterThanMinimum(evidence.closed, gates.minimumSuccessRate), needed: Math.log(1 / gates.alpha) },
    wrongShare: { value: wrongShare(canary.users, baseline.users, share), needed: alarm },
    slower:
      isLatencyGuarded && limits.callMs !== null
        ? { value: moreOften(canary.slowUsers, baseline.slowUsers, coin), needed: alarm }
        : null,
    // Arms may differ in how many of their calls stream.
    slowerToSpeak:
      isLatencyGuarded && isFirstTokenKnown
        ? {
            value: moreOften(
              canary.slowToSpeakUsers,
              baseline.slowToSpeakUsers,
              coinOf(shareOf(canary.spokenUsers, baseline.spokenUsers)),
            ),
            needed: alarm,
          }
        : null,
    cost: costOf(canary.cost, baseline.cost, gates, guardBounds.cost / spec.steps.length),
    ...compare(canary, baseline, coin, neededAt, gates.beta, 1),
    ...measureFaults(canary, baseline, spec, share),
    languages: evidence.languages.flatMap((tally) => {
      const languages = languagesCounted(tally, evidence, spec);
      if (languages === null) return [];
      const { language } = tally;
      return [{ language, ...compare(tally.canary, tally.baseline, coin, neededAt, gates.beta, languages) }];
    }),
  };
}

/**
 * Each measure that begins anew with a bake shares its bound among the steps. A bake that an operator begins, and that at
 * 100%, spends a further share.
 */
function neededInBake({ steps }: MeasuredSpec, bound: number): number {
  return Math.log(steps.length / bound);
}

/** D and `worse`, which together roll a rollout back. */
export function measureFaults(
  canary: FaultTally,
  baseline: FaultTally,
  spec: MeasuredSpec,
  share: number,
): Pick<UserMeasures, 'breach' | 'worse'> {
  const needed = neededInBake(spec, spec.gates.beta);
  return {
    breach: { value: belowMinimum(canary, spec.gates), needed },
    worse: { value: moreFaults(canary, baseline, coinOf(share)), needed },
  };
}

/** Among how many languages the bounds of this one are shared; null if it does not count by itself. */
function languagesCounted(
  { language, canary, baseline }: UserEvidence['languages'][number],
  evidence: UserEvidence,
  { languages = [], gates }: MeasuredSpec,
): number | null {
  if (languages.includes(language)) return languages.length;
  const allUsers = evidence.canary.users + evidence.baseline.users;
  // Of a handful of users, any language has a large share.
  const counts = allUsers >= gates.minimumStepRequests && canary.users + baseline.users >= countingShare * allUsers;
  return counts ? countingLanguages : null;
}

/** What is compared for all users and for each language, whose bounds are shared among so many `parts`. */
function compare(
  canary: UserTally,
  baseline: UserTally,
  coin: Coin,
  neededAt: (bound: number) => number,
  beta: number,
  parts: number,
): Omit<LanguageMeasures, 'language'> {
  const needed = neededAt(beta / parts);
  const flagNeeded = neededAt(guardBounds.flags / answerFlags.length / parts);
  // An arm that answers fewer users has fewer answers to flag.
  const answered = coinOf(shareOf(canary.answeredUsers, baseline.answeredUsers));
  const flag = (name: AnswerFlag): TestValue => ({
    value: moreOften(canary.flaggedUsers[name] ?? 0, baseline.flaggedUsers[name] ?? 0, answered),
    needed: flagNeeded,
  });
  return {
    worse: { value: moreFaults(canary, baseline, coin), needed },
    declined: { value: moreOften(canary.declinedUsers, baseline.declinedUsers, coin), needed },
    flags: Object.fromEntries(answerFlags.map((name) => [name, flag(name)])) as Record<AnswerFlag, TestValue>,
    feedback: {
      value: moreOften(canary.unhappyUsers, baseline.unhappyUsers, coin),
      needed: neededAt(guardBounds.feedback / parts),
    },
  };
}

/**
 * Bets on each closed user whose failed share of calls Y is below the q = 1 - minimum that is allowed. A mixture: small bets
 * show a canary that is only just better, large ones show a very good one soon.
 */
const bets = [0.05, 0.1, 0.2, 0.35, 0.5, Math.SQRT1_2, 0.9];

/** E: what the bets on these users have come to. */
export function betterThanMinimum(closed: readonly ClosedUsers[], minimumSuccessRate: number): number {
  return logOfMean(betValues(closed, 1 - minimumSuccessRate));
}

function betValues(closed: readonly ClosedUsers[], allowed: number): readonly number[] {
  return bets.map((bet) => {
    let value = 0;
    for (const { calls, failed, users } of closed) value += users * Math.log1p(bet * (allowed - failed / calls));
    return value;
  });
}

/** How many more closed users without a failure would reach the evidence to advance. */
export function cleanUsersToGo(
  { closed }: Pick<UserEvidence, 'closed'>,
  { gates }: Pick<MeasuredSpec, 'gates'>,
): number {
  const needed = Math.log(1 / gates.alpha);
  const allowed = 1 - gates.minimumSuccessRate;
  const steps = bets.map((bet) => Math.log1p(bet * allowed));
  const values = betValues(closed, allowed);
  const reached = (clean: number): boolean =>
    logOfMean(values.map((value, index) => value + clean * (steps[index] ?? 0))) >= needed;
  if (reached(0)) return 0;
  let [tooFew, enough] = [0, 1024];
  while (!reached(enough)) [tooFew, enough] = [enough, 2 * enough];
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (reached(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

/** Failure rates that a breach is looked for at, besides that of the gates. */
const breachRates = [0.03, 0.05, 0.1, 0.3, 0.9];

function belowMinimum({ firstCalls, firstCallFaults }: FaultTally, gates: RolloutSpec['gates']): number {
  const least = 1 - gates.breachSuccessRate;
  const rates = [least, ...breachRates.filter((rate) => rate > least)];
  const answered = firstCalls - firstCallFaults;
  return logOfMean(
    rates.map((rate) => binomialEvidence(answered, firstCallFaults, 1 - rate, gates.minimumSuccessRate)),
  );
}

/**
 * A mixture of users with any fault and users whose first call failed. Of a poor baseline's users most meet some fault in the
 * end: only first calls tell such a baseline from a canary that fails everything. A good one's faults are few, and each
 * user with one counts.
 */
function moreFaults(canary: FaultTally, baseline: FaultTally, coin: Coin): number {
  return logOfMean([
    moreOften(canary.faultyUsers, baseline.faultyUsers, coin),
    moreOften(canary.firstCallFaults, baseline.firstCallFaults, coin),
  ]);
}

/** By how much the canary's odds of trouble may exceed the baseline's. */
const oddsRatios = [1.5, 2, 3, 5, 10];

const logOdds = oddsRatios.map((ratio) => Math.log(ratio));

/** The arm of a user in trouble, if the arms do not differ: the canary's with the chance `share`. */
interface Coin {
  readonly share: number;
  /** For each ratio r: ln(1 + (r - 1) share). */
  readonly logWeights: readonly number[];
}

export function coinOf(share: number): Coin {
  return { share, logWeights: oddsRatios.map((ratio) => Math.log1p((ratio - 1) * share)) };
}

/** At r times the odds, rw / (1 + (r - 1)w) of the users in trouble are the canary's, rather than the coin's w. */
export function moreOften(canaryUsers: number, baselineUsers: number, { share, logWeights }: Coin): number {
  const users = canaryUsers + baselineUsers;
  if (users === 0 || share <= 0 || share >= 1) return 0;
  return logOfMean(logOdds.map((odds, index) => canaryUsers * odds - users * (logWeights[index] ?? 0)));
}

function shareOf(canaryUsers: number, baselineUsers: number): number {
  return canaryUsers === 0 ? 0 : canaryUsers / (canaryUsers + baselineUsers);
}

/** ln of the mean of e^value, without overflow. */
function logOfMean(values: readonly number[]): number {
  const largest = Math.max(...values);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum / values.length);
}
