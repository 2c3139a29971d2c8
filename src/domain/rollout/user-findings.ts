import type { RolloutGuard, RolloutSpec, RolloutState } from '../../contract/rollout';
import { type AnswerFlag, answerFlags, type UserEvidence, type UserTally } from '../../contract/user-evidence';
import { toUsd } from '../turn/prices';
import { formatDuration } from './clock';
import { isReached, type TestValue } from './evidence';
import { percentOf, shown } from './findings';
import { oneKeyFinding } from './one-key';
import { cleanUsersToGo, type LanguageMeasures, measureUsers, type UserMeasures } from './user-measures';

/** What the evidence of users shows. Each finding is a sentence that includes its numbers. */
export interface UserFindings {
  /** The evidence could not be read. */
  readonly unread: string | null;
  /** The canary fails more often than allowed. */
  readonly breach: string | null;
  /** More of the canary's users hit failures. */
  readonly worse: string | null;
  /** One API key alone leads to a breach or to `worse`: they hold the rollout instead of rolling it back. */
  readonly oneKey: string | null;
  /** What holds the rollout until a person has looked at it. */
  readonly alarms: readonly string[];
  /** The same from guards that only report. */
  readonly reports: readonly string[];
  /** What is still missing to advance; empty if nothing is. */
  readonly missing: readonly string[];
  /** The newest request is too old for a step. */
  readonly stale: string | null;
  /** E and the rates of both arms; empty if there is no evidence. */
  readonly figures: string;
}

export function userFindingsOf(spec: RolloutSpec, state: RolloutState, evidence: UserEvidence | null): UserFindings {
  if (evidence?.bake !== state.bake) {
    const unread = 'The evidence could not be read. No data is never success.';
    const none = {
      breach: null,
      worse: null,
      oneKey: null,
      alarms: [],
      reports: [],
      missing: [],
      stale: null,
      figures: '',
    };
    return { unread, ...none };
  }
  const { percent = state.percent } = evidence;
  const measures = measureUsers(evidence, spec, percent);
  const guarded = guardFindings(spec, evidence, measures, percent);
  const mode = (guard: RolloutGuard): string => spec.gates.guards?.[guard] ?? 'act';
  const isTroubled = isReached(measures.breach) || isReached(measures.worse);
  return {
    unread: null,
    oneKey: isTroubled ? oneKeyFinding(spec, evidence, percent) : null,
    breach: isReached(measures.breach)
      ? `${spec.canaryArm} is below ${percentOf(spec.gates.minimumSuccessRate)}: ${userRatesOf(spec, evidence)} (D ${shown(measures.breach)}).`
      : null,
    worse: worseFinding(spec, evidence, measures.worse),
    alarms: [
      ...languageTroubles(spec, evidence, measures),
      ...guarded.filter(({ guard }) => mode(guard) === 'act').map(({ sentence }) => sentence),
    ],
    reports: guarded.filter(({ guard }) => mode(guard) === 'report').map(({ sentence }) => sentence),
    missing: missingOf(spec, state, evidence, measures.advance),
    stale: staleFinding(spec, evidence),
    figures: `${describeUserAdvance(measures.advance, spec, evidence)}; ${userRatesOf(spec, evidence)}.${excludedNote(spec, state)}`,
  };
}

/** The bounds hold for evidence that nobody chose. */
function excludedNote({ gates }: RolloutSpec, { byUsers }: RolloutState): string {
  const periods = byUsers?.excluded.length ?? 0;
  if (periods === 0) return '';
  const counted = periods === 1 ? '1 period was' : `${periods} periods were`;
  return ` ${counted} excluded by hand, so the bound of ${percentOf(gates.alpha)} holds only if that was not done for the sake of the result.`;
}

/** The evidence for advancing, in one line: `E 5.1 of 6.9, about 254 users without a failure to go`. */
export function describeUserAdvance(advance: TestValue, spec: RolloutSpec, evidence: UserEvidence): string {
  if (isReached(advance)) return `E ${shown(advance)}`;
  return `E ${shown(advance)}, about ${cleanUsersToGo(evidence, spec)} users without a failure to go`;
}

/** `holysheep 99.7% of 1012 users, legacy 85.1% of 9100 users`: by their first calls. */
export function userRatesOf(spec: RolloutSpec, { canary, baseline }: UserEvidence): string {
  return `${userRateOf(spec.canaryArm, canary)}, ${userRateOf(spec.baselineArm, baseline)}`;
}

function userRateOf(arm: string, { firstCalls, firstCallFaults }: UserTally): string {
  if (firstCalls === 0) return `${arm} no users`;
  return `${arm} ${percentOf(1 - firstCallFaults / firstCalls)} of ${firstCalls} users`;
}

function worseFinding(spec: RolloutSpec, { canary, baseline }: UserEvidence, worse: TestValue): string | null {
  if (!isReached(worse)) return null;
  return `More users of ${spec.canaryArm} hit failures: ${compared(spec, canary, baseline, 'users', 'faultyUsers')} (${shown(worse)}).`;
}

function missingOf(spec: RolloutSpec, { step }: RolloutState, evidence: UserEvidence, advance: TestValue): string[] {
  const { gates, canaryArm, steps } = spec;
  const { users, firstCalls, firstCallFaults, successes, faults } = evidence.canary;
  const minimumUsers = steps[step]?.minimumUsers ?? gates.minimumStepRequests;
  const missing: string[] = [];
  if (!isReached(advance)) missing.push(`${describeUserAdvance(advance, spec, evidence)}.`);
  if (users < minimumUsers) missing.push(`${users} of ${minimumUsers} users of ${canaryArm} in this step.`);
  if (successes + faults < gates.minimumStepRequests) {
    missing.push(`${successes + faults} of ${gates.minimumStepRequests} requests of ${canaryArm} in this step.`);
  }
  // The evidence of earlier steps must not carry a canary that has become worse.
  const rate = firstCalls === 0 ? 0 : 1 - firstCallFaults / firstCalls;
  if (users >= minimumUsers && rate < gates.minimumSuccessRate) {
    missing.push(
      `${canaryArm} succeeds for ${percentOf(rate)} of ${firstCalls} users in this step; at least ${percentOf(gates.minimumSuccessRate)} is needed.`,
    );
  }
  return missing;
}

function staleFinding({ gates, canaryArm }: RolloutSpec, { atMs, newestCanaryAtMs }: UserEvidence): string | null {
  if (newestCanaryAtMs === null) return `No request of ${canaryArm} has ended since the split was set.`;
  const ageMs = atMs - newestCanaryAtMs;
  if (ageMs <= gates.freshnessMs) return null;
  return `The newest request of ${canaryArm} ended ${formatDuration(ageMs)} ago; the rollout advances once the next one ends.`;
}

/** A finding, and the guard that it comes from. */
interface GuardFinding {
  readonly guard: RolloutGuard;
  readonly sentence: string;
}

function guardFindings(
  spec: RolloutSpec,
  evidence: UserEvidence,
  measures: UserMeasures,
  percent: number,
): readonly GuardFinding[] {
  const { canary, baseline, limits } = evidence;
  const { canaryArm, baselineArm, gates } = spec;
  const { wrongShare, slower, slowerToSpeak, cost } = measures;
  const found: GuardFinding[] = [];
  if (isReached(wrongShare)) {
    const users = canary.users + baseline.users;
    const sentence = `${canary.users} of ${users} users are on ${canaryArm}, too far from ${percent}% to be chance (${shown(wrongShare)}): the split itself is broken, so its figures prove nothing.`;
    found.push({ guard: 'wrongShare', sentence });
  }
  if (slower !== null && isReached(slower)) {
    const of = compared(spec, canary, baseline, 'timedUsers', 'slowUsers');
    const sentence = `${canaryArm} is slower: ${of} (${shown(slower)}); slow means above ${limits.callMs} ms; for ${canaryArm}, above ${gates.maxLatencyPercent}% of that.`;
    found.push({ guard: 'latency', sentence });
  }
  if (slowerToSpeak !== null && isReached(slowerToSpeak)) {
    const of = compared(spec, canary, baseline, 'spokenUsers', 'slowToSpeakUsers');
    const sentence = `${canaryArm} takes longer to start answering: ${of} (${shown(slowerToSpeak)}); slow means above ${limits.firstTokenMs} ms; for ${canaryArm}, above ${gates.maxLatencyPercent}% of that.`;
    found.push({ guard: 'firstToken', sentence });
  }
  if (cost !== null && isReached(cost)) {
    const sentence = `${canaryArm} costs $${toUsd(Math.round(cost.perSuccess))} per successful turn, the limit is $${toUsd(Math.round(cost.limit))} (${shown(cost)}; ${baselineArm} had ${baseline.cost.users} users, ${canaryArm} ${canary.cost.users}).`;
    found.push({ guard: 'cost', sentence });
  }
  return [...found, ...comparedFindings(spec, evidence, measures), ...languageFindings(spec, evidence, measures)];
}

/** What is found for all users, whose languages are given, and for each language alike. */
function comparedFindings(
  spec: RolloutSpec,
  {
    canary,
    baseline,
    languages = [],
  }: Pick<UserEvidence, 'canary' | 'baseline'> & Partial<Pick<UserEvidence, 'languages'>>,
  { declined, flags, feedback }: Omit<LanguageMeasures, 'language'>,
  place = '',
): readonly GuardFinding[] {
  const found: GuardFinding[] = [];
  if (isReached(declined)) {
    const of = compared(spec, canary, baseline, 'users', 'declinedUsers');
    found.push({
      guard: 'declined',
      sentence: `${place}${spec.canaryArm} declines requests from more users: ${of} (${shown(declined)}).`,
    });
  }
  for (const flag of answerFlags) {
    if (isReached(flags[flag])) {
      found.push({
        guard: 'flags',
        sentence: `${place}${place === '' ? 'More' : 'more'} ${flagged(spec, canary, baseline, flag, flags[flag])}${mostlyIn(spec, languages, canary, flag)}`,
      });
    }
  }
  if (isReached(feedback)) {
    const of = compared(spec, canary, baseline, 'users', 'unhappyUsers');
    found.push({
      guard: 'feedback',
      sentence: `${place}${place === '' ? 'More' : 'more'} users of ${spec.canaryArm} are unhappy with an answer: ${of} (${shown(feedback)}).`,
    });
  }
  return found;
}

function flagged(spec: RolloutSpec, canary: UserTally, baseline: UserTally, flag: AnswerFlag, test: TestValue): string {
  const of = (arm: string, tally: UserTally): string =>
    `${arm} ${tally.flaggedUsers[flag] ?? 0} of ${tally.answeredUsers} users`;
  const both = `${of(spec.canaryArm, canary)}, ${of(spec.baselineArm, baseline)}`;
  return `first answers of ${spec.canaryArm} are flagged ${flag}: ${both} (${shown(test)}).`;
}

/** The language of most of the canary's flagged users: it may not be enough for a finding of its own. */
function mostlyIn(
  { canaryArm }: RolloutSpec,
  languages: UserEvidence['languages'],
  canary: UserTally,
  flag: AnswerFlag,
): string {
  const all = canary.flaggedUsers[flag] ?? 0;
  const most = languages.find((one) => 2 * (one.canary.flaggedUsers[flag] ?? 0) > all);
  if (most === undefined || languages.length < 2) return '';
  return ` ${most.canary.flaggedUsers[flag] ?? 0} of these ${all} users of ${canaryArm} ask in ${most.language}.`;
}

function languageFindings(
  spec: RolloutSpec,
  evidence: UserEvidence,
  { languages }: UserMeasures,
): readonly GuardFinding[] {
  return languages.flatMap((measures) => {
    const tally = evidence.languages.find(({ language }) => language === measures.language);
    return tally === undefined ? [] : comparedFindings(spec, tally, measures, `In ${measures.language}: `);
  });
}

function languageTroubles(spec: RolloutSpec, evidence: UserEvidence, { languages }: UserMeasures): readonly string[] {
  return languages.flatMap(({ language, worse }) => {
    const tally = evidence.languages.find((one) => one.language === language);
    if (tally === undefined || !isReached(worse)) return [];
    const of = compared(spec, tally.canary, tally.baseline, 'users', 'faultyUsers');
    return [`In ${language}: more users of ${spec.canaryArm} hit failures: ${of} (${shown(worse)}).`];
  });
}

type Count = { [Key in keyof UserTally]: UserTally[Key] extends number ? Key : never }[keyof UserTally];

/** `holysheep 12 of 1000 users, legacy 30 of 9000`. */
function compared(spec: RolloutSpec, canary: UserTally, baseline: UserTally, all: Count, some: Count): string {
  return `${spec.canaryArm} ${canary[some]} of ${canary[all]} users, ${spec.baselineArm} ${baseline[some]} of ${baseline[all]}`;
}
