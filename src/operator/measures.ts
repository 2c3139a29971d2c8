import type { AnyEvidence, Evidence, RolloutGuard, RolloutSpec } from '../contract/rollout';
import type { AnswerFlag, UserEvidence } from '../contract/user-evidence';
import { isReached, measure, ofRequests, ofUsers, type TestValue } from '../domain/rollout/evidence';
import { type LanguageMeasures, measureUsers } from '../domain/rollout/user-measures';

/** One measure that the rule uses. */
export interface Measured {
  /** The same in every rollout, and once per language: `worse`, `flags:empty`. */
  readonly id: string;
  /** The guard that it belongs to; null: it always acts. */
  readonly guard: RolloutGuard | null;
  /** Whose users alone it is about; null: everybody's. */
  readonly language: string | null;
  readonly measure: string;
  /** What it means if it is reached. */
  readonly meaning: string;
  readonly unit: 'evidence' | 'nano-usd';
  /** Null without a guard, or with too little data. */
  readonly value: number | null;
  readonly needed: number | null;
  readonly reached: boolean;
}

/** @param percent the canary's share in the split while the evidence was collected */
export function measuresOf(spec: RolloutSpec, percent: number, evidence: AnyEvidence): readonly Measured[] {
  const [byUsers, byRequests] = [ofUsers(evidence), ofRequests(evidence)];
  if (byUsers !== null) return userMeasuresOf(spec, percent, byUsers);
  return byRequests === null ? [] : requestMeasuresOf(spec, percent, byRequests);
}

function userMeasuresOf(spec: RolloutSpec, percent: number, evidence: UserEvidence): readonly Measured[] {
  const { baselineArm, canaryArm, gates } = spec;
  const measures = measureUsers(evidence, spec, percent);
  const { advance, breach, slower, slowerToSpeak, wrongShare, cost } = measures;
  const latency = `${gates.maxLatencyPercent ?? '–'}% of ${baselineArm}`;
  return [
    tested('advance', null, 'E, to advance', `${canaryArm} is better than the minimum`, advance),
    tested('breach', null, 'D, breach', `${canaryArm} fails more often than allowed`, breach),
    ...comparedMeasures(spec, measures, null),
    tested('latency', 'latency', 'slower', `more first calls of ${canaryArm} are slow: above ${latency}`, slower),
    tested(
      'firstToken',
      'firstToken',
      'slower to speak',
      `more first answers of ${canaryArm} begin late: above ${latency}`,
      slowerToSpeak,
    ),
    tested('cost', 'cost', 'cost', `a successful turn of ${canaryArm} costs more than allowed`, cost),
    tested('wrongShare', 'wrongShare', 'wrong share', 'users are not split as configured', wrongShare),
    ...measures.languages.flatMap((one) => comparedMeasures(spec, one, one.language)),
  ];
}

/** What is compared for all users, and for those of each language that counts by itself. */
function comparedMeasures(
  { baselineArm, canaryArm }: RolloutSpec,
  { worse, declined, flags, feedback }: Omit<LanguageMeasures, 'language'>,
  language: string | null,
): readonly Measured[] {
  const place = language === null ? '' : `${language}: `;
  const all = [
    tested('worse', null, `${place}worse`, `more users of ${canaryArm} hit failures than of ${baselineArm}`, worse),
    tested('declined', 'declined', `${place}declined`, `${canaryArm} declines requests from more users`, declined),
    ...(Object.entries(flags) as [AnswerFlag, TestValue][]).map(([flag, test]) =>
      tested(
        `flags:${flag}`,
        'flags',
        `${place}flag ${flag}`,
        `more first answers of ${canaryArm} are flagged ${flag}`,
        test,
      ),
    ),
    tested('feedback', 'feedback', `${place}feedback`, `more users of ${canaryArm} are unhappy`, feedback),
  ];
  return all.map((measured) => ({ ...measured, language }));
}

function requestMeasuresOf(spec: RolloutSpec, percent: number, evidence: Evidence): readonly Measured[] {
  const { baselineArm, canaryArm, gates } = spec;
  const { advance, breach, worse, slower, wrongShare, cost } = measure(evidence, gates, percent);
  const limit = `${gates.maxLatencyPercent ?? '–'}% of ${baselineArm}`;
  return [
    tested('advance', null, 'E, to advance', `${canaryArm} is as good as expected`, advance),
    tested('breach', null, 'D, breach', `${canaryArm} fails more often than allowed`, breach),
    tested('worse', null, 'worse', `${canaryArm} fails more often than ${baselineArm}`, worse),
    tested('latency', 'latency', 'slower', `${canaryArm} is slower than ${limit}`, slower),
    tested('wrongShare', 'wrongShare', 'wrong share', 'users are not split as configured', wrongShare),
    {
      id: 'cost',
      guard: 'cost',
      language: null,
      measure: 'cost',
      meaning: `a successful turn of ${canaryArm} costs more than allowed`,
      unit: 'nano-usd',
      value: cost === null ? null : Math.round(cost.perSuccess),
      needed: cost === null ? null : Math.round(cost.limit),
      reached: cost !== null && cost.perSuccess > cost.limit,
    },
  ];
}

function tested(
  id: string,
  guard: RolloutGuard | null,
  name: string,
  meaning: string,
  test: TestValue | null,
): Measured {
  return {
    id,
    guard,
    language: null,
    measure: name,
    meaning,
    unit: 'evidence',
    value: test?.value ?? null,
    needed: test?.needed ?? null,
    reached: test !== null && isReached(test),
  };
}
